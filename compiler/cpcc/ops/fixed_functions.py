"""exp, 1/(1+x), logistic and tanh in 32-bit fixed point, as TensorFlow Lite's int8 kernels compute them.

``Qm.n`` is an int32 with m integer and n fractional bits. Arrays are int64 that hold int32 values.
Source: google/gemmlowp, fixedpoint/fixedpoint.h.
"""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import INT32_MAX, rounding_shift

ONE_OVER_3, EXP_MINUS_ONE_EIGHTH = 715827883, 1895147668  # Q0.31
EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)  # exp(-2**k), k = -2 ... 4, Q0.31
LOG_2, SQRT_HALF, FOURTH_ROOT_HALF = 1488522236, 1518500250, 1805811301  # Q0.31
# With s the fourth root of 2: 11 s / 240, s / 20, 2 / s - s, s / 4, Q0.31.
ALPHA_N, ALPHA_D, ALPHA_I, ALPHA_F = 117049297, 127690142, 1057819769, 638450708
LOG_BITS = 25  # fraction bits of the power of 2 and of its logarithm, which have one integer bit more than the result
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


def log_of_sum(x: np.ndarray) -> np.ndarray:
    """Q5.26 ``log(x)`` of Q12.19 `x` >= 1.

    x is 2**k times a mantissa r between sqrt(1/2) and 1, twice: with a whole k and a quarter, and, from x * sqrt(1/2), with a whole k less a
    quarter. The smaller r (the other one saturated) is within a fourth root of 2 of the middle, where a rational function is log(r).
    Source: log_x_for_x_greater_than_or_equal_to_1_impl of tensorflow/lite/kernels/internal/common.h."""
    zeros = _leading_zeros(x)
    r_a = np.minimum(product(x << (zeros - 1), SQRT_HALF) << 1, INT32_MAX)
    zeros_b = _leading_zeros(product(x, SQRT_HALF)) - 1
    r_b = np.minimum(x << zeros_b, INT32_MAX)
    quarter = 1 << (LOG_BITS - 2)
    power = np.maximum(((12 - zeros) << LOG_BITS) + quarter, ((12 - zeros_b) << LOG_BITS) - quarter)
    r = np.minimum(r_a, r_b)
    p, q = (r + FOURTH_ROOT_HALF + 1) >> 1, (r - FOURTH_ROOT_HALF) << 1
    square = product(q, q)
    numerator = product(q, r) + product(product(q, square), ALPHA_N)
    denominator = product(p, ALPHA_I + q + product(ALPHA_D, square)) + product(ALPHA_F, q)
    fraction = product(rounding_shift(numerator, 6), one_over_one_plus(denominator))
    return (product(power, LOG_2) + fraction) << 1


def _leading_zeros(x: np.ndarray) -> np.ndarray:
    """Of positive int32 values."""
    return 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)


def logistic(a: np.ndarray) -> np.ndarray:
    """Q0.31 ``1 / (1 + exp(-a))`` of Q4.27 `a`."""
    positive = one_over_one_plus(exp_of_negative(-np.abs(a), 4))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, INT32_MAX - positive))


def tanh(a: np.ndarray) -> np.ndarray:
    """Q0.31 ``tanh(a)`` of Q4.27 `a`, as ``(1 - exp(-2 |a|)) / (1 + exp(-2 |a|))``."""
    twice = exp_of_negative(-np.abs(a), 5)  # the same bits, read with one integer bit more
    magnitude = np.minimum((_twice_reciprocal(twice) - (1 << 29)) << 2, INT32_MAX)
    return np.where(a == 0, 0, np.where(a < 0, -magnitude, magnitude))
