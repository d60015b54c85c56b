"""Stream of the convolution whose rows have one level and two signs: layout in firmware/kernels/cpcc_signs8.h."""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import ONCE, Rounding
from cpcc.formats.sparse import MAX_DELTA

MOST = 255  # weights of a row: each adds up to 128 to a sum of 16 bits
INPUTS = 32  # unrolled in the assembly
_INPUT, _JUMP, _SKIP, _TURN = 28, 8, 16, 12  # bytes of code
_ROUNDING, _CONSTANT = 256, 3
_BODY = _INPUT * INPUTS + _JUMP + _SKIP
_LEAVE = -2


def level(row: np.ndarray) -> int | None:
    """The magnitude of all nonzeros of int8 `row`, positive; None where they have several or there are none."""
    found = np.unique(np.abs(row[row != 0].astype(np.int64)))
    return int(found[0]) if len(found) == 1 else None


def signs(row: np.ndarray, offsets: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Level of int8 `row` and the sorted `offsets` of what is added and subtracted. Something is added: where all weights are
    negative the level is."""
    size = level(row)
    assert size is not None
    added, subtracted = np.sort(offsets[row > 0]), np.sort(offsets[row < 0])
    return (size, added, subtracted) if len(added) else (-size, subtracted, added)


def _chunks(places: np.ndarray, position: int) -> list[tuple[int, bytes]]:
    """(words to skip, steps) of consecutive entries: at most `INPUTS`, and a wide gap before the first one alone."""
    chunks: list[tuple[int, bytes]] = []
    skip, steps = 0, b""
    for place in places.tolist():
        gap = place - position
        if gap > MAX_DELTA or len(steps) == INPUTS:
            chunks.append((skip, steps))
            skip, steps = (gap, b"") if gap > MAX_DELTA else (0, b"")
        steps += bytes((0 if gap > MAX_DELTA else gap,))
        position = place
    return [*chunks, (skip, steps)]


def _s16(distance: int) -> bytes:
    return distance.to_bytes(2, "little", signed=True)


def _inputs(places: np.ndarray, position: int) -> bytes:
    """The jump into the entries and the entries, without the jump that leaves them."""
    (_, steps), *others = _chunks(places, position)
    text = _s16(_INPUT * (INPUTS - len(steps))) + steps
    for skip, steps in others:
        back = _INPUT * len(steps) + _JUMP
        text += _s16(0) + skip.to_bytes(2, "little") + _s16(-back - _SKIP) if skip else _s16(-back)
        text += steps
    return text


def _row(row: np.ndarray, offsets: np.ndarray, kind: int) -> tuple[int, bytes]:
    size, added, subtracted = signs(row, offsets)
    text = int(added[0]).to_bytes(2, "little") + _inputs(added[1:], int(added[0]))
    rounding = _SKIP + _ROUNDING * kind  # from the jump behind the subtracted
    if len(subtracted):
        text += _s16(_SKIP) + _inputs(subtracted, 0) + _s16(rounding)
    else:
        text += _s16(_TURN + _BODY + rounding)
    return size, text


def _constants(size: int, bias: int, words: np.ndarray, rounding: Rounding, zero_point: int) -> bytes:
    multiplier, offset, shift = (words[0], zero_point, 0) if rounding.kind == ONCE else words
    packed = (rounding.gain * size << 16) | int(shift)
    values = np.array([packed, rounding.gain * bias, multiplier, offset], np.int64)
    return narrow(values, np.int32).astype("<i4").tobytes()


def stream(
    matrix: np.ndarray, offsets: np.ndarray, rounding: Rounding, zero_point: int, fixed: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """uint32 stream for int8 `matrix` (rows, columns); `offsets` (columns,) in words; rows `fixed` (rows,) are `value`."""
    text = b""
    constant = 2 * _BODY + _TURN + _CONSTANT * _ROUNDING
    for r, row in enumerate(matrix):
        if fixed[r]:
            text += bytes(2) + _s16(constant) + int(value[r]).to_bytes(1, "little", signed=True)
            continue
        size, own = _row(row, offsets, rounding.kind)
        text += own
        text += bytes(-len(text) % 4)
        text += _constants(size, int(rounding.bias[r]), rounding.words[r], rounding, zero_point)
    text += bytes(2) + _s16(_LEAVE)
    return np.frombuffer(text + bytes(-len(text) % 4), "<u4").astype(np.uint32)
