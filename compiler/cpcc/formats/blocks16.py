"""Stream of the convolution of 1x16 blocks for Helium: layout in firmware/kernels/cpcc_conv2d_mve_blocks.h."""

from __future__ import annotations

import numpy as np

from cpcc.formats.rounding import Rounding
from cpcc.formats.sparse import MAX_DELTA

BLOCK = 16  # weights: a vector
BLOCKS = 8  # unrolled in the assembly
_BLOCK_BYTES = 76
_BEHIND = _BLOCK_BYTES * BLOCKS + 8  # from the first unrolled block to the roundings
_ROUNDING_BYTES, _CONSTANT = 128, 3
_LEAVE, _VARIES, _FIRST_BYTES = -2, 0, 84  # from a row's first jump: the first block's code, and the bytes it takes
EMPTY = bytes(BLOCK + 1)


def entries(row: np.ndarray) -> list[bytes]:
    """Blocks of int8 `row` (16 * blocks,) that have a nonzero, at least one: distance from the one before in blocks, and the weights.
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
    return found or [EMPTY]


def _jump(distance: int) -> bytes:
    return distance.to_bytes(2, "little", signed=True)


def _row(blocks: list[bytes], kind: int) -> bytes:
    """A row that varies, up to its constants. The first block has code of its own, so that no sum is set to 0."""
    leave = _ROUNDING_BYTES * kind
    text = _jump(_VARIES) + blocks[0]
    if len(blocks) == 1:
        return text + _jump(_BEHIND + leave)
    first = (len(blocks) - 2) % BLOCKS + 1
    text += _jump(_BLOCK_BYTES * (BLOCKS - first)) + b"".join(blocks[1 : 1 + first])
    for at in range(1 + first, len(blocks), BLOCKS):
        text += _jump(-_BEHIND) + b"".join(blocks[at : at + BLOCKS])
    return text + _jump(leave)


def stream(matrix: np.ndarray, rounding: Rounding, fixed: np.ndarray, value: np.ndarray) -> np.ndarray:
    """uint8 stream for int8 `matrix` (rows, 16 * blocks); rows `fixed` (rows,) are `value`."""
    words = rounding.words.astype(np.int64) * (np.array([1]) if rounding.words.shape[1] == 1 else np.array([1, 1, -1]))
    text = b""
    for r, row in enumerate(matrix):
        if fixed[r]:
            text += _jump(_FIRST_BYTES + _BEHIND + _CONSTANT * _ROUNDING_BYTES)
            text += int(value[r]).to_bytes(1, "little", signed=True)
        else:
            text += _row(entries(row), rounding.kind)
            text += np.array([rounding.bias[r], *words[r]]).astype("<i4").tobytes()
    return np.frombuffer(text + _jump(_LEAVE), np.uint8)
