"""Weights of few levels, packed: whole multiples -8 to 7 of a step per output channel, as ternary, 3-bit and 4-bit training leaves
them (`cpcc.quant.few_levels`). Layouts in the headers of the kernels called ``nibbles`` and ``few``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.sparse import steps_over

LOWEST, HIGHEST = -8, 7
FEWEST_BITS = 2  # of a multiple in a sparse entry: 0 has to be one, for gaps
BLOCK = 4


@dataclass(frozen=True, eq=False)
class FewLevels:
    """int8 `multiples` (rows, columns) and their uint8 `steps` (rows,)."""

    multiples: np.ndarray
    steps: np.ndarray


def few_levels(matrix: np.ndarray) -> FewLevels | None:
    """int8 `matrix` (rows, columns) as multiples of steps as large as can be; None where a row has other levels."""
    wide = matrix.astype(np.int64)
    steps = np.maximum(np.gcd.reduce(wide, axis=1), 1)
    multiples = wide // steps[:, None]
    if multiples.min(initial=0) < LOWEST or multiples.max(initial=0) > HIGHEST:
        return None
    return FewLevels(narrow(multiples, np.int8), narrow(steps, np.uint8))


def dense_bytes(multiples: np.ndarray) -> np.ndarray:
    """uint8 (..., ceil(n / 2)): two of int8 `multiples` (..., n) in a byte, the lower first."""
    even = np.pad(multiples, [(0, 0)] * (multiples.ndim - 1) + [(0, multiples.shape[-1] % 2)]).astype(np.int64) & 15
    return narrow(even[..., ::2] | even[..., 1::2] << 4, np.uint8)


def sparse_bits(multiples: np.ndarray) -> int:
    """Bits of a byte that the multiples of a layer need; the others hold distances."""
    bits = FEWEST_BITS
    while multiples.min(initial=0) < -(1 << bits >> 1) or multiples.max(initial=0) >= 1 << bits >> 1:
        bits += 1
    return bits


def sparse_bytes(row: np.ndarray, bits: int) -> list[int]:
    """A byte for each nonzero of int8 multiples `row` (n,), and for each bridge over a wide gap."""
    found, position, widest = [], 0, (256 >> bits) - 1
    for column in np.flatnonzero(row).tolist():
        bridges, gap = divmod(column - position, widest)
        if bridges and not gap:
            bridges, gap = bridges - 1, widest
        found += [widest << bits] * bridges + [gap << bits | int(row[column]) & ((1 << bits) - 1)]
        position = column
    return found


@dataclass(frozen=True, eq=False)
class BlockRows:
    """uint16 `counts` (rows,) of blocks, uint8 `deltas` in blocks and int8 `weights`, four for each; one unused block where there
    is none."""

    counts: np.ndarray
    deltas: np.ndarray
    weights: np.ndarray


def block_rows(matrix: np.ndarray) -> BlockRows:
    """The blocks of int8 `matrix` (rows, 4 * blocks) that have a nonzero, and blocks of zeros that bridge wide gaps."""
    blocks = matrix.reshape(len(matrix), -1, BLOCK)
    rows, places = np.nonzero(blocks.any(axis=2))
    before = np.where(np.diff(rows, prepend=-1) > 0, 0, np.roll(places, 1))  # the first of a row steps from 0
    steps = steps_over(places - before)
    weights = np.zeros((max(len(steps.deltas), 1), BLOCK), np.int8)
    weights[steps.ends] = blocks[rows, places]
    taken = np.diff(steps.ends, prepend=-1)  # steps of each block, bridges included
    counts = np.bincount(rows, taken, len(matrix)).astype(np.int64)
    deltas = steps.deltas if len(steps.deltas) else np.zeros(1, np.uint8)
    return BlockRows(narrow(counts, np.uint16), deltas, weights.ravel())


FAR = 15  # a distance of half a byte that is not the last one of its block


@dataclass(frozen=True, eq=False)
class NearBlocks:
    """uint16 `counts` (rows,) of blocks, their distances in `halves` half bytes of uint8 `deltas`, the lower first, and int8 `weights`,
    four for each block; one unused byte or block where there is none."""

    counts: np.ndarray
    deltas: np.ndarray
    weights: np.ndarray
    halves: int

    @property
    def nbytes(self) -> int:
        return self.counts.nbytes + self.deltas.nbytes + self.weights.nbytes


def near_blocks(matrix: np.ndarray) -> NearBlocks:
    """The blocks of int8 `matrix` (rows, 4 * blocks) that have a nonzero."""
    blocks = matrix.reshape(len(matrix), -1, BLOCK)
    rows, columns = np.nonzero(blocks.any(axis=2))
    first = np.diff(rows, prepend=-1) > 0
    gaps = np.where(first, columns, np.diff(columns, prepend=0))
    last = np.cumsum(gaps // FAR + 1) - 1
    halves = np.full(last[-1] + 1 if len(last) else 0, FAR)
    halves[last] = gaps % FAR
    weights = blocks[rows, columns].ravel() if len(rows) else np.zeros(BLOCK, np.int8)
    counts = narrow(np.bincount(rows, minlength=len(matrix)), np.uint16)
    return NearBlocks(counts, dense_bytes(halves) if len(halves) else np.zeros(1, np.uint8), weights, len(halves))
