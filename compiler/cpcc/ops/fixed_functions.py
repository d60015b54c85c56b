"""exp, 1/(1+x), logistic and tanh in 32-bit fixed point, as TensorFlow Lite's int8 kernels compute them.

``Qm.n`` is an int32 with m integer and n fractional bits. Arrays are int64 that hold int32 values.
Source: google/gemmlowp, fixedpoint/fixedpoint.h.
"""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import INT32_MAX, rounding_shift

ONE_OVER_3, EXP_MINUS_ONE_EIGHTH = 715827883, 1895147668  # Q0.31
EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)  # exp(-2**k), k = -2 ... 4, Q0.31
C48_OVER_17, C32_OVER_17 = 1515870810, 1010580540  # Q2.29


def product(a: np.ndarray | int, b: np.ndarray | int) -> np.ndarray:
    """int64 ``a * b / 2**31``, halves up (SaturatingRoundingDoublingHighMul; the saturating case cannot occur here)."""
    return (np.asarray(a, np.int64) * np.asarray(b, np.int64) + (1 << 30)) >> 31


def _exp_of_last_quarter(a: np.ndarray) -> np.ndarray:
    """Q0.31 exp of Q0.31 `a` in [-1/4, 0): Taylor's series around -1/8, to the fourth power."""
    x = a + (1 << 28)
    x2 = product(x, x)
    x3, x4 = product(x2, x), product(x2, x2)
    higher = rounding_shift(product(rounding_shift(x4, 2) + x3, ONE_OVER_3) + x2, 1)
    return EXP_MINUS_ONE_EIGHTH + product(EXP_MINUS_ONE_EIGHTH, x + higher)


def exp_of_negative(a: np.ndarray, integer_bits: int) -> np.ndarray:
    """Q0.31 exp of `a` <= 0 with `integer_bits` (up to 5): the last quarter by a polynomial, every power of two above
    it by a factor."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    last = (a & (quarter - 1)) - quarter
    result = _exp_of_last_quarter(last << integer_bits)
    for k, factor in enumerate(EXP_POWERS[: integer_bits + 2]):
        result = np.where((last - a) >> (fraction_bits - 2 + k) & 1, product(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _twice_reciprocal(x: np.ndarray) -> np.ndarray:
    """Q2.29 ``2 / (1 + x)`` of Q0.31 `x` in [0, 1]: three steps of Newton's method on half the denominator."""
    half_denominator = (x + INT32_MAX + 1) >> 1
    y = C48_OVER_17 + product(half_denominator, -C32_OVER_17)
    for _ in range(3):
        y = y + (product(y, (1 << 29) - product(half_denominator, y)) << 2)
    return y


def one_over_one_plus(x: np.ndarray) -> np.ndarray:
    """Q0.31 ``1 / (1 + x)`` of Q0.31 `x` in [0, 1]."""
    return np.minimum(_twice_reciprocal(x) << 1, INT32_MAX)


def logistic(a: np.ndarray) -> np.ndarray:
    """Q0.31 ``1 / (1 + exp(-a))`` of Q4.27 `a`."""
    positive = one_over_one_plus(exp_of_negative(-np.abs(a), 4))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def tanh(a: np.ndarray) -> np.ndarray:
    """Q0.31 ``tanh(a)`` of Q4.27 `a`, as ``(1 - exp(-2 |a|)) / (1 + exp(-2 |a|))``."""
    twice = exp_of_negative(-np.abs(a), 5)  # the same bits, read with one integer bit more
    magnitude = np.minimum((_twice_reciprocal(twice) - (1 << 29)) << 2, INT32_MAX)
    return np.where(a == 0, 0, np.where(a < 0, -magnitude, magnitude))
