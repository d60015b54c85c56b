"""What several commands share: option types, the names of executors, the progress bar."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from cpcc.files import write_atomically

PATH = click.Path(path_type=Path)


class Bytes(click.ParamType[int]):
    """A size as linker scripts write it: 65536, 64k, 64K, 64KiB, 1M; k is 1024."""

    name = "bytes"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        found = re.fullmatch(r"([0-9]{1,15})(|k|m|ki?b|mi?b)", str(value).lower())
        size = int(found[1]) << {"": 0, "k": 10, "m": 20}[found[2][:1]] if found else 0
        if not size:
            self.fail(f"{str(value)!r}; give bytes, such as 65536 or 64k (k is 1024)", parameter, context)
        return size


BYTES = Bytes()
EXECUTORS = ("reference", "host", "arm")
RUNGS = (*EXECUTORS, "qemu")


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Whole or not at all; nothing without a path."""
    if path is not None:
        write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def command_line() -> str:
    """How this program was called, for the provenance of what it makes."""
    return shlex.join(["cpcc", *sys.argv[1:]])


@contextmanager
def progress(what: str, total: int) -> Iterator[Any]:
    """A callback taking how much is done; silent where nobody watches."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
