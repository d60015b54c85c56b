"""Stream and constants of the convolution of 1x16 blocks for Helium: layout in firmware/kernels/cpcc_conv2d_mve_blocks.h."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.helium import shifting_left
from cpcc.formats.rounding import constant_outputs, rounding_of
from cpcc.formats.sparse import MAX_DELTA

if TYPE_CHECKING:  # ops import this module
    from cpcc.ops.requantized import Output

BLOCK = 16  # weights: a vector
BLOCKS = 8  # unrolled in the assembly
_BLOCK_BYTES = 76
_BEHIND = _BLOCK_BYTES * BLOCKS + 8  # from the first unrolled block to behind the last
_LEAVE, _FIRST, _EMPTY = -2, 0, 84 + _BEHIND + 20  # from a row's first jump


def entries(row: np.ndarray) -> list[bytes]:
    """Blocks of int8 `row` (16 * blocks,) that have a nonzero: distance from the one before in blocks, and the weights.
    A wide gap is bridged by blocks of zeros."""
    blocks = row.reshape(-1, BLOCK)
    found: list[bytes] = []
    position = 0
    for block in np.flatnonzero(blocks.any(axis=1)).tolist():
        gap = block - position
        while gap > MAX_DELTA:
            found.append(bytes((MAX_DELTA,)) + bytes(BLOCK))
            gap -= MAX_DELTA
        found.append(bytes((gap,)) + blocks[block].astype(np.int8).tobytes())
        position = block
    return found


def _jump(distance: int) -> bytes:
    return distance.to_bytes(2, "little", signed=True)


def _row(row: np.ndarray) -> bytes:
    """The first block has code of its own, so that no sum is set to 0."""
    if not row.any():
        return _jump(_EMPTY)
    blocks = entries(row)
    text = _jump(_FIRST) + blocks[0]
    if len(blocks) == 1:
        return text + _jump(_BEHIND)
    first = (len(blocks) - 2) % BLOCKS + 1
    text += _jump(_BLOCK_BYTES * (BLOCKS - first)) + b"".join(blocks[1 : 1 + first])
    for at in range(1 + first, len(blocks), BLOCKS):
        text += _jump(-_BEHIND) + b"".join(blocks[at : at + BLOCKS])
    return text + _jump(0)


def stream(matrix: np.ndarray) -> np.ndarray:
    """uint8 stream for int8 `matrix` (rows, 16 * blocks)."""
    return np.frombuffer(b"".join(map(_row, matrix)) + _jump(_LEAVE), np.uint8)


def constants(matrix: np.ndarray, output: Output) -> np.ndarray:
    """int32: each row's bias and its rounding's constants, or the output of one without weights."""
    rounding, (_, value) = rounding_of(output, matrix), constant_outputs(output, matrix)
    assert rounding is not None
    varying = np.column_stack([rounding.bias, shifting_left(rounding)])
    rows = [own if row.any() else one for row, own, one in zip(matrix, varying, value[:, None], strict=True)]
    return narrow(np.concatenate(rows), np.int32)
