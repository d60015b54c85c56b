"""Stream of the convolution of 1x4 blocks: layout in firmware/kernels/cpcc_blocks8.h."""

from __future__ import annotations

import numpy as np

from cpcc.formats.rounding import Rounding
from cpcc.formats.sparse import steps_over

BLOCK = 4  # weights
BLOCKS = 8  # unrolled in the assembly
_BLOCK_BYTES = 116
_ROUNDING_BYTES, _CONSTANT = 256, 3
_LEAVE = -2


def entries(row: np.ndarray, offsets: np.ndarray) -> list[bytes]:
    """Blocks of int8 `row` (4 * blocks,) that have a nonzero: distance from the one before and weights; `offsets` (blocks,).
    A wide gap is bridged by blocks of zeros."""
    blocks = row.reshape(-1, BLOCK)
    kept = np.flatnonzero(blocks.any(axis=1))
    kept = kept[np.argsort(offsets[kept], kind="stable")]
    steps = steps_over(np.diff(offsets[kept], prepend=0))
    whole = np.zeros((len(steps.deltas), 1 + BLOCK), np.uint8)
    whole[:, 0] = steps.deltas
    whole[steps.ends, 1:] = blocks[kept].astype(np.int8).view(np.uint8)
    text = whole.tobytes()
    return [text[at : at + 1 + BLOCK] for at in range(0, len(text), 1 + BLOCK)]


def _jump(distance: int) -> bytes:
    return distance.to_bytes(2, "little", signed=True)


def _blocks(blocks: list[bytes]) -> bytes:
    """A row's jumps and blocks, all but the last jump."""
    first = len(blocks) % BLOCKS
    text = _jump(_BLOCK_BYTES * (BLOCKS - first)) + b"".join(blocks[:first])
    for at in range(first, len(blocks), BLOCKS):
        text += _jump(-(_BLOCK_BYTES * BLOCKS + 8)) + b"".join(blocks[at : at + BLOCKS])
    return text


def _row(blocks: list[bytes], bias: int, kind: int) -> bytes:
    return bias.to_bytes(4, "little", signed=True) + _blocks(blocks) + _jump(_ROUNDING_BYTES * kind)


def _constant_row(value: int) -> bytes:
    behind = _BLOCK_BYTES * BLOCKS + 8
    return bytes(4) + _jump(behind + _CONSTANT * _ROUNDING_BYTES) + value.to_bytes(1, "little", signed=True)


def stream(
    matrix: np.ndarray, offsets: np.ndarray, rounding: Rounding, fixed: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """uint32 stream for int8 `matrix` (rows, 4 * blocks); `offsets` (blocks,) in pixels; rows `fixed` (rows,) are `value`."""
    text = b""
    for r, row in enumerate(matrix):
        if fixed[r]:
            text += _constant_row(int(value[r]))
        else:
            text += _row(entries(row, offsets), int(rounding.bias[r]), rounding.kind)
            text += rounding.words[r].astype("<i4").tobytes()
    text += bytes(4) + _jump(_LEAVE)
    return np.frombuffer(text + bytes(-len(text) % 4), "<u4").astype(np.uint32)


def stream_apart(matrix: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """As `stream`, the blocks of the rows alone, as if all varied."""
    text = b"".join(_blocks(entries(row, offsets)) + _jump(0) for row in matrix) + _jump(_LEAVE)
    return np.frombuffer(text + bytes(-len(text) % 4), "<u4").astype(np.uint32)
