"""Weight formats of the sparse kernels: packing, and unpacking for the tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.fixedpoint import narrow

MAX_DELTA = 255


@dataclass(frozen=True, eq=False)
class DeltaRows:
    """Rows of a sparse int8 matrix as (delta, value) pairs, 2 bytes each.

    `counts` (rows,) uint16 pairs per row; `deltas` uint8 columns to step before each product, the first from
    column 0; `values` int8. A gap beyond 255 columns is bridged by pairs (255, 0). The arrays are never empty
    (C99 has no zero-length arrays): a matrix without nonzeros holds one unused pair."""

    counts: np.ndarray
    deltas: np.ndarray
    values: np.ndarray


def pack_rows_delta8(matrix: np.ndarray) -> DeltaRows:
    """The nonzeros of an int8 matrix (rows, columns). Raises `OverflowError` beyond 65,535 pairs in a row."""
    rows = [delta_pairs(row, np.arange(matrix.shape[1])) for row in matrix]
    flat = np.concatenate(rows) if any(map(len, rows)) else np.zeros((1, 2), np.uint8)
    counts = narrow(np.array([len(row) for row in rows]), np.uint16)
    return DeltaRows(counts, flat[:, 0].copy(), flat[:, 1].copy().view(np.int8))


def unpack_rows_delta8(rows: DeltaRows, columns: int) -> np.ndarray:
    """The int8 matrix (rows, columns) that `rows` was packed from."""
    matrix = np.zeros((len(rows.counts), columns), np.int8)
    k = 0
    for r, count in enumerate(rows.counts):
        position = 0
        for _ in range(count):
            position += int(rows.deltas[k])
            matrix[r, position] += rows.values[k]
            k += 1
    return matrix


@dataclass(frozen=True, eq=False)
class Steps:
    """uint8 `deltas`, of which those at `ends` arrive and the others, of `MAX_DELTA`, bridge wider gaps."""

    deltas: np.ndarray
    ends: np.ndarray


def steps_over(gaps: np.ndarray) -> Steps:
    """To cross `gaps` (n,), not negative, one after the other."""
    bridges = np.maximum(gaps - 1, 0) // MAX_DELTA
    ends = np.cumsum(bridges + 1) - 1
    deltas = np.full(len(gaps) + int(bridges.sum()), MAX_DELTA, np.uint8)
    deltas[ends] = gaps - MAX_DELTA * bridges
    return Steps(deltas, ends)


def delta_pairs(row: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """uint8 (entries, 2): words to step and weight of each nonzero of int8 `row`, by address."""
    columns = np.flatnonzero(row)
    columns = columns[np.argsort(offsets[columns], kind="stable")]
    steps = steps_over(np.diff(offsets[columns], prepend=0))
    pairs = np.stack([steps.deltas, np.zeros_like(steps.deltas)], axis=1)
    pairs[steps.ends, 1] = row[columns].view(np.uint8)
    return pairs


def delta_entries(row: np.ndarray, offsets: np.ndarray) -> list[bytes]:
    """The rows of `delta_pairs`."""
    text = delta_pairs(row, offsets).tobytes()
    return [text[i : i + 2] for i in range(0, len(text), 2)]


SPARSE2_WORDS, SPARSE2_BLOCKS = 3, 8  # unrolled in the assembly
_WORD_BYTES, _BLOCK_BYTES = 32, 116


def sparse2_words(row: np.ndarray) -> np.ndarray:
    """int32 words of two (distance, weight) entries each, for the nonzeros of int8 `row`."""
    entries = delta_pairs(row, np.arange(len(row))).tobytes()
    return np.frombuffer(entries + bytes(-len(entries) % 4), "<i4").astype(np.int32)


def _sparse2_row(words: np.ndarray) -> list[np.ndarray]:
    single, blocks = len(words) % 4, len(words) // 4
    first = blocks % SPARSE2_BLOCKS
    jumps = _WORD_BYTES * (SPARSE2_WORDS - single) | _BLOCK_BYTES * (SPARSE2_BLOCKS - first) << 16
    parts = [np.array([jumps]), words[: single + 4 * first]]
    for at in range(single + 4 * first, len(words), 4 * SPARSE2_BLOCKS):
        parts += [np.array([-(_BLOCK_BYTES * SPARSE2_BLOCKS + 8)]), words[at : at + 4 * SPARSE2_BLOCKS]]
    return [*parts, np.array([0])]


def sparse2_stream(matrix: np.ndarray) -> np.ndarray:
    """int32 stream of ``cpcc_linear_sparse2`` for an int8 matrix (rows, columns)."""
    parts = [part for row in matrix for part in _sparse2_row(sparse2_words(row))]
    leave = np.array([0xFFFE])
    return narrow(np.concatenate([*parts, leave]), np.int32)
