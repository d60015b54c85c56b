"""Metrics of every iteration as JSON lines and, where it is installed, for TensorBoard."""

import json
from collections.abc import Sequence
from pathlib import Path

from cpcc.files import write_atomically
from cpcc.prune.evaluation import Iteration


class Journal:
    """`folder`/NAME.jsonl, rewritten whole after each iteration, so that a resumed run leaves no line twice;
    with tensorboard installed also event files in `folder`/tensorboard/NAME."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.jsonl"
        self.events = folder / "tensorboard" / name

    def write(self, iterations: Sequence[Iteration]) -> None:
        """All `iterations` so far; the last one goes to TensorBoard."""
        lines = "".join(json.dumps(each.as_json(), sort_keys=True) + "\n" for each in iterations)
        write_atomically(self.path, lines.encode())
        if iterations:
            self._to_tensorboard(iterations[-1])

    def _to_tensorboard(self, last: Iteration) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        with SummaryWriter(str(self.events), purge_step=last.index) as writer:
            for side, found in last.at_threshold.items():
                for name in ("fn", "fp", "auc"):
                    writer.add_scalar(f"{side}/{name}", getattr(found, name) or 0.0, last.index)
            writer.add_scalar("remaining", last.remaining, last.index)
