"""What several commands share: option types, the names of executors, the progress bar."""

from __future__ import annotations

import json
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
