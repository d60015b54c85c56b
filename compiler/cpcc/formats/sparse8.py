"""Stream of the kernels that compute eight pixels of a sparse convolution: layout in firmware/kernels/cpcc_sparse8.h."""

from __future__ import annotations

import numpy as np

from cpcc.formats.rounding import ONCE, TFLITE, Rounding
from cpcc.formats.sparse import delta_entries

LIMIT = 2**21  # of one pixel's final sum, twice of which shares 64 bits with another's
ENTRIES = 32  # unrolled in the assembly
_ENTRY_BYTES = 36
_BEHIND = _ENTRY_BYTES * ENTRIES + 8  # code from the first entry to the roundings
_TFLITE, _RELU, _CONSTANT = 0, 256, 512  # roundings with any shift, and none, from the first one on
_OWN_SHIFTS, _OWN_TFLITE, _OWN_RELU = 14, (768, 160), (3008, 128)  # those with code of their own: first, and size
_ALIGNED = 4
_LEAVE = -2


def row_entries(row: np.ndarray, offsets: np.ndarray) -> int:
    """Number of entries that int8 `row` takes: nonzeros, and steps over wide gaps."""
    gaps = np.diff(np.sort(offsets[np.flatnonzero(row)]), prepend=0)
    return int(len(gaps) + np.maximum((gaps - 1) // 255, 0).sum())


def _jump(distance: int) -> bytes:
    return distance.to_bytes(2, "little", signed=True)


def _rounding(kind: int, words: np.ndarray) -> tuple[int, bytes]:
    """Where the code of a row's rounding lies, and the constants that it reads."""
    if kind != ONCE and words[2] <= _OWN_SHIFTS:
        first, size = _OWN_TFLITE if kind == TFLITE else _OWN_RELU
        return first + size * (int(words[2]) - 1), words[:2].astype("<i4").tobytes()
    return (0 if kind == ONCE else _TFLITE if kind == TFLITE else _RELU), words.astype("<i4").tobytes()


def _entries(entries: list[bytes]) -> bytes:
    """A row's jumps and entries, all but the last jump."""
    first = len(entries) % ENTRIES
    text = _jump(_ENTRY_BYTES * (ENTRIES - first)) + b"".join(entries[:first])
    for at in range(first, len(entries), ENTRIES):
        text += _jump(-(_ENTRY_BYTES * ENTRIES + 8)) + b"".join(entries[at : at + ENTRIES])
    return text


def _start(row: np.ndarray, bias: int) -> bytes:
    """What a row's sums begin with."""
    start = 2 * (bias - 128 * int(row.astype(np.int64).sum())) + (bias << 24)
    return (start % 2**64).to_bytes(8, "little")


def _row(entries: list[bytes], start: bytes, kind: int, words: np.ndarray) -> bytes:
    text = 2 * start + _entries(entries)
    aligned = len(text) % 4 == 2
    rounding, constants = _rounding(kind, words)
    return text + _jump(rounding + _ALIGNED * aligned) + bytes(0 if aligned else 2) + constants


def _constant_row(value: int) -> bytes:
    return bytes(16) + _jump(_BEHIND + _CONSTANT) + _jump(value)


def stream(
    matrix: np.ndarray, offsets: np.ndarray, rounding: Rounding, fixed: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """uint32 stream for int8 `matrix` (rows, columns); `offsets` (columns,) in words; rows `fixed` (rows,) are `value`."""
    text = b""
    for r, row in enumerate(matrix):
        if fixed[r]:
            text += _constant_row(int(value[r]))
            continue
        start = _start(row, int(rounding.bias[r]))
        text += _row(delta_entries(row, offsets), start, rounding.kind, rounding.words[r])
    text += bytes(16) + _jump(_LEAVE) + bytes(2)
    return np.frombuffer(text, "<u4").astype(np.uint32)


def streams_apart(matrix: np.ndarray, offsets: np.ndarray, rounding: Rounding) -> tuple[np.ndarray, np.ndarray]:
    """As `stream`, the entries of the rows, all of which vary, in one uint32 stream, and their starts and constants in an int32 one."""
    text = b"".join(_entries(delta_entries(row, offsets)) + _jump(0) for row in matrix) + _jump(_LEAVE)
    starts = [_start(row, int(bias)) for row, bias in zip(matrix, rounding.bias, strict=True)]
    constants = b"".join(s + w.astype("<i4").tobytes() for s, w in zip(starts, rounding.words, strict=True)) + bytes(8)
    entries = np.frombuffer(text + bytes(-len(text) % 4), "<u4")
    return entries.astype(np.uint32), np.frombuffer(constants, "<i4").astype(np.int32)
