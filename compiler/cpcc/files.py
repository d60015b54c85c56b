"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpcc.errors import UsageError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises `UsageError` where what is done within cannot be, as in a folder that is read-only or a disk that is full."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another path") from error


def check_writable(*paths: Path | None) -> None:
    """Raises `UsageError` for a file that could not be written once the work before it is done."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise UsageError(f"{path}: is a folder; give a file")
        existing = next((parent for parent in path.absolute().parents if parent.exists()), Path("/"))
        with writing(path), tempfile.TemporaryFile(dir=existing):
            pass


def write_atomically(path: Path, data: bytes) -> None:
    """`data` at `path`: a reader meets the old file or the new one. Parent folders are made.

    Raises `UsageError` where that cannot be."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".cpcc-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(name).chmod(0o644)  # temporary files are private; this one becomes an ordinary file
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
