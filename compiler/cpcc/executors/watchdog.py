"""A time limit for calls on an emulated core.

unicorn's own is a thread that looks every two microseconds whether the call has ended: up to a third of the processor time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from unicorn import Uc

AGAIN = 0.01  # seconds


@contextmanager
def time_limit(uc: Uc, seconds: float) -> Iterator[None]:
    """Stop what `uc` runs within the context after `seconds`. When the context is left nothing is stopped any more."""
    done = Event()

    def watch() -> None:
        if not done.wait(seconds):
            while not done.wait(AGAIN):  # a stop that comes before the emulation has begun is lost
                uc.emu_stop()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
