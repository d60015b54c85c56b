"""Progress bars of a pruning run: loss, misses, remaining weights. Silent away from a terminal."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Watch:
    """One bar per arm; use as a context manager. `shown` False makes it silent."""

    def __init__(self, shown: bool) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=console, disable=not (shown and console.is_terminal)
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "Watch":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def arm(self, name: str, epochs: int) -> None:
        """Begin a bar of at most `epochs` steps."""
        self._task = self._progress.add_task(name, total=epochs, figures="")

    def epoch(self, done: int, loss: float, misses: int, left: float) -> None:
        """`done` epochs of the bar are over."""
        if self._task is not None:
            figures = f"loss {loss:.3f}  FN {misses}  weights {left:.1%}"
            self._progress.update(self._task, completed=done, figures=figures)
