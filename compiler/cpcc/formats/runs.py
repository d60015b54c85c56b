"""Streams of the sparse convolutions in portable C: layout in firmware/include/cpcc_runs.h.

Within a kernel row the inputs lie side by side, so distances are short whatever the width of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

RUN = 255  # entries of one count
Entries = Callable[[np.ndarray], Sequence[bytes]]


def stream(matrix: np.ndarray, kernel_h: int, entries: Entries) -> np.ndarray:
    """uint8 stream for int8 `matrix` (out, kernel_h * n); `entries(row)` are those of one kernel row (n,)."""
    return np.frombuffer(b"".join(run(entries(row)) for row in kernel_rows(matrix, kernel_h)), np.uint8)


def kernel_rows(matrix: np.ndarray, kernel_h: int) -> np.ndarray:
    """(out * kernel_h, n) of `matrix` (out, kernel_h * n)."""
    return matrix.reshape(len(matrix) * kernel_h, -1)


def run(entries: Sequence[bytes]) -> bytes:
    """One kernel row's: a count and its entries, and where there are `RUN`, the next count."""
    text = b""
    for at in range(0, len(entries) // RUN * RUN + 1, RUN):
        own = entries[at : at + RUN]
        text += bytes((len(own),)) + b"".join(own)
    return text


def unpack(data: np.ndarray, rows: int, entry_bytes: int) -> list[list[bytes]]:
    """The entries, by kernel row, that `stream` was written from."""
    text, at, found = data.tobytes(), 0, []
    for _ in range(rows):
        own: list[bytes] = []
        while True:
            count = text[at]
            own += [text[at + 1 + i * entry_bytes : at + 1 + (i + 1) * entry_bytes] for i in range(count)]
            at += 1 + count * entry_bytes
            if count < RUN:
                break
        found.append(own)
    return found
