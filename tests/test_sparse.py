"""Sparse formats: what is packed unpacks to the same, at every corner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpcc.formats.sparse import delta_entries, pack_rows_delta8, unpack_rows_delta8


@given(
    st.sampled_from([1, 2, 254, 255, 256, 257, 511, 512, 513]),
    st.integers(1, 4),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_delta_rows_round_trip(columns: int, rows: int, keep: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-127, 128, (rows, columns)).astype(np.int8)
    matrix[rng.random(matrix.shape) >= keep] = 0
    np.testing.assert_array_equal(unpack_rows_delta8(pack_rows_delta8(matrix), columns), matrix)


@pytest.mark.parametrize("gap", [0, 1, 254, 255, 256, 257, 510, 511, 765, 766])
def test_every_gap(gap: int) -> None:
    matrix = np.zeros((1, 800), np.int8)
    matrix[0, gap] = -127
    np.testing.assert_array_equal(unpack_rows_delta8(pack_rows_delta8(matrix), 800), matrix)


def test_empty_matrix_still_has_an_element() -> None:
    """C99 has no zero-length arrays."""
    rows = pack_rows_delta8(np.zeros((3, 5), np.int8))
    assert (len(rows.deltas), len(rows.values), rows.counts.tolist()) == (1, 1, [0, 0, 0])


def test_columns_that_lie_apart() -> None:
    """The rows of a kernel in a tile's words: distances beyond a byte are bridged by pairs without weight."""
    found = delta_entries(np.array([1, 0, 2, 3], np.int8), np.array([0, 1, 600, 601]))
    assert [tuple(pair) for pair in found] == [(0, 1), (255, 0), (255, 0), (90, 2), (1, 3)]
