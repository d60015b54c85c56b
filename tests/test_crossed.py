"""Four weights in a word: the arithmetic of the dense fully connected kernels, and the bound on which it rests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpcc.formats.crossed import LIMIT, RAISED, crossable, crossed_words


def halves(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) signed halfwords of int32 words."""
    pairs = np.ascontiguousarray(words).view(np.int16).reshape(*words.shape, 2).astype(np.int64)
    return pairs[..., 0], pairs[..., 1]


def low_byte(half: np.ndarray) -> np.ndarray:
    return half.astype(np.int16).astype(np.int8).astype(np.int64)


def smlsd(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> int:
    return int((a[0] * b[0] - a[1] * b[1]).sum())


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_a_word_gives_256_times_its_four_products(seed: int, blocks: int) -> None:
    """As the registers hold them: SXTB16 and UXTB16 with a rotation by 16 swap the halves."""
    rng = np.random.default_rng(seed)
    w = rng.choice([-127, -1, 0, 1, 127, int(rng.integers(-127, 128))], (1, 4 * blocks)).astype(np.int8)
    x = rng.choice([-128, -1, 0, 127, int(rng.integers(-128, 128))], 4 * blocks).astype(np.int8)
    low, high = halves(crossed_words(w)[0])
    h = halves((x.view(np.uint8).reshape(-1, 4) ^ np.array([128, 0, 128, 0], np.uint8)).view(np.int32)[:, 0])
    y = h[1] & 255, h[0] & 255
    total = smlsd(h, (low_byte(high), low_byte(low))) + smlsd(y, (low, high))
    raised = RAISED * w[0, 0::2].astype(np.int64).sum()
    assert total == 256 * (int(x.astype(np.int64) @ w[0]) + raised)


@pytest.mark.parametrize(
    ("k", "value", "possible"), [(344, 127, True), (344, -127, True), (346, 127, False), (1, -128, False)]
)
def test_rows_that_have_exact_sums(k: int, value: int, possible: bool) -> None:
    """The largest sum must stay below 2**23: half of the inputs reach 255, the others 127 or -128."""
    assert crossable(np.full((3, k), value, np.int8)) is possible
    reach = k // 2 * (255 + 127) * abs(value)
    assert (reach < LIMIT) is possible or value == -128
