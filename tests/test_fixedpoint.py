"""Requantization and division against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpcc.fixedpoint import Requant, narrow, requantize
from cpcc.ops.avg_pool2d import reciprocal


@given(st.floats(1e-9, 900), st.integers(-(2**20), 2**20), st.integers(-128, 127))
def test_requantize_is_the_rounded_product(scale: float, acc: int, zero_point: int) -> None:
    requant = Requant.from_scales(np.array([scale]))
    exact = Fraction(acc * int(requant.multiplier[0]) << requant.left_shift, 2**32)
    rounded = (exact + Fraction(1, 2)).__floor__() + zero_point
    got = requantize(np.array([[acc]]), requant, zero_point, -128, 127)
    assert int(got[0, 0]) == max(-128, min(127, rounded))


@given(st.lists(st.floats(1e-6, 500), min_size=1, max_size=5))
def test_scales_are_represented_to_nine_digits(scales: list[float]) -> None:
    requant = Requant.from_scales(np.array(scales))
    back = requant.multiplier * 2.0 ** (requant.left_shift - 32)
    assert np.all(np.abs(back - scales) <= 2.0 ** (requant.left_shift - 33) * (1 + 1e-9))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 64.0])
def test_a_scale_just_below_a_power_of_two_does_not_carry_into_the_sign(scale: float) -> None:
    """Found by review: round(scale * 2**32) reached 2**31 for scales within 2**-33 of a power of two."""
    for value in (scale, np.nextafter(scale, 0), scale * (1 - 2**-40)):
        assert 0 < int(Requant.from_scales(np.array([value])).multiplier[0]) < 2**31


def test_narrow_refuses_what_would_wrap() -> None:
    with pytest.raises(OverflowError):
        narrow(np.array([128]), np.int8)


@pytest.mark.parametrize("divisor", [*range(1, 70), 255, 256, 257, 4095, 4096, 9216, 65535, 2**20 + 7])
def test_reciprocal_is_exact(divisor: int) -> None:
    """For every dividend an average can meet, at its edges and around every multiple sampled."""
    multiplier, shift = reciprocal(divisor)
    assert multiplier < 2**32
    assert shift < 64
    top = 129 * divisor
    dividends = {0, 1, top, *(k * divisor + d for k in range(0, 130, 1 if divisor < 5000 else 7) for d in (-1, 0, 1))}
    for n in (n for n in dividends if 0 <= n <= top):
        assert n // divisor == (n * multiplier) >> shift
        assert n * multiplier < 2**64
