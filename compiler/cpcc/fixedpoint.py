"""Integer arithmetic shared by every op: the twin of ``firmware/include/cpcc_fixed.h``.

How an accumulator is scaled is the type of a node's `Scaling`: `Requant`, one rounding, for what cpcc quantizes itself,
or `TfliteRequant`, TensorFlow Lite's two roundings, for ``.tflite`` models. See docs/numerics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

INT32_MAX = 2**31 - 1


def narrow(values: np.ndarray, dtype: type[np.integer]) -> np.ndarray:
    """`values` as `dtype`. Raises `OverflowError` where one does not fit, which `astype` would wrap."""
    values = np.asarray(values)
    info = np.iinfo(dtype)
    if values.size and (values.min() < info.min or values.max() > info.max):
        raise OverflowError(f"value outside {np.dtype(dtype).name}: {values.min()} ... {values.max()}")
    return values.astype(dtype)


@dataclass(frozen=True, eq=False)
class Requant:
    """One rounding, halves up: real scale per output channel as int32 `multiplier` (channels,) and one common
    `left_shift` in bits. On cores with the DSP extension that is SMMULR (or SMMLAR) and SSAT."""

    multiplier: np.ndarray
    left_shift: int

    @staticmethod
    def from_scales(scales: np.ndarray) -> Requant:
        """Closest representable scales. `scales` (channels,) positive. A scale of 1/2 or more needs the
        accumulator shifted first, since the multiplier must stay below 2**31."""
        largest = float(np.max(scales))
        left_shift = 0
        while round(largest * 2.0 ** (32 - left_shift)) > INT32_MAX:  # rounding may carry into bit 31
            left_shift += 1
        multiplier = np.rint(np.asarray(scales, np.float64) * 2.0 ** (32 - left_shift))
        return Requant(narrow(multiplier.astype(np.int64), np.int32), left_shift)

    def scale(self, acc: np.ndarray) -> np.ndarray:
        """int64 ``round(acc * scale)`` of int64 accumulators ``(..., channels)``."""
        shifted = np.asarray(acc, np.int64) << self.left_shift
        return (shifted * self.multiplier.astype(np.int64) + (1 << 31)) >> 32

    def reach(self, bound: np.ndarray) -> np.ndarray:
        """Largest magnitude inside the C code for accumulators up to `bound` (channels,): must stay below 2**31."""
        return np.asarray(bound, np.int64) << self.left_shift


@dataclass(frozen=True, eq=False)
class TfliteRequant:
    """TensorFlow Lite's two roundings: the 2**-31 product, halves up, then the right shift, halves away from zero.

    `multiplier` (channels,) int32, not negative; `shift` (channels,) int8 as there: positive is left, before
    the product, negative is right, after it. Source: MultiplyByQuantizedMultiplier without TFLITE_SINGLE_ROUNDING."""

    multiplier: np.ndarray
    shift: np.ndarray

    @staticmethod
    def from_scales(scales: np.ndarray) -> TfliteRequant:
        """QuantizeMultiplier of each float64 scale (channels,); a scale below 2**-32 becomes 0, as there."""
        fraction, exponent = np.frexp(np.asarray(scales, np.float64))
        multiplier = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)  # the sum is exact: 53 bits suffice
        carried = multiplier == 1 << 31
        multiplier, exponent = np.where(carried, 1 << 30, multiplier), exponent + carried
        tiny = exponent < -31
        shift = np.where(tiny, 0, exponent)
        if (shift > 31).any():
            raise OverflowError(f"a scale of {np.max(scales):g}; supported: below 2**31")
        return TfliteRequant(narrow(np.where(tiny, 0, multiplier), np.int32), narrow(shift, np.int8))

    @property
    def left(self) -> np.ndarray:
        """(channels,) int64 bits to the left."""
        return np.maximum(self.shift, 0).astype(np.int64)

    @property
    def right(self) -> np.ndarray:
        """(channels,) int64 bits to the right."""
        return np.maximum(-self.shift.astype(np.int64), 0)

    def scale(self, acc: np.ndarray) -> np.ndarray:
        """int64 of int64 accumulators ``(..., channels)``, each within int32 after its left shift."""
        product = (np.asarray(acc, np.int64) << self.left) * self.multiplier.astype(np.int64)
        return rounding_shift((product + (1 << 30)) >> 31, self.right)

    def reach(self, bound: np.ndarray) -> np.ndarray:
        """As `Requant.reach`: the shifted accumulator, and the product with its rounding term."""
        shifted = np.asarray(bound, np.int64) << self.left
        product = (shifted * self.multiplier.astype(np.int64) >> 31) + 1
        return np.maximum(shifted, product + ((1 << self.right) >> 1))


Scaling = Requant | TfliteRequant


def _wide_factors(scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(channels,) int64 multipliers of 15 bits, and bits to the right, of TensorFlow Lite's rounding of int64 sums.

    Source: MultiplyByQuantizedMultiplier of an int64 (tensorflow/lite/kernels/internal/common.cc)."""
    full = TfliteRequant.from_scales(scales)
    multiplier = np.minimum((full.multiplier.astype(np.int64) + (1 << 15)) >> 16, 0x7FFF)
    return multiplier, 15 - full.shift.astype(np.int64)


def wide_scaled(acc: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """int64 ``round(acc * scales)`` as TensorFlow Lite rounds the int64 sums of 16-bit activations: once, halves up."""
    multiplier, right = _wide_factors(scales)
    return (np.asarray(acc, np.int64) * multiplier + (1 << right - 1)) >> right


def wide_requant(scales: np.ndarray, bias: np.ndarray, still: np.ndarray) -> tuple[Requant, np.ndarray]:
    """`wide_scaled` as a `Requant`, the same number for every sum, and the biases (channels,) to use with it; where a channel is
    `still`, its sum is its bias. Raises `OverflowError` where scales of one layer lie too far apart for one left shift."""
    multiplier, right = _wide_factors(scales)
    alive = ~still & (multiplier > 0)
    left_shift = max(0, 16 - int(right[alive].min(initial=16)))
    places = np.where(alive, 32 - left_shift - right, 0)
    if (places < 0).any():
        raise OverflowError(
            f"a scale of {np.min(scales[alive]):.3g}; supported: 2**-{18 - left_shift} and more in this layer"
        )
    value = 4 * wide_scaled(bias, scales)  # of a channel that is still: a quarter of it again
    factors = np.where(still, 1 << 30 - left_shift, multiplier << places)
    return Requant(narrow(factors, np.int32), left_shift), np.where(still, value, bias)


def rounding_shift(x: np.ndarray, bits: np.ndarray | int) -> np.ndarray:
    """int64 ``x / 2**bits`` rounded half away from zero (gemmlowp's RoundingDivideByPOT)."""
    x, bits = np.asarray(x, np.int64), np.asarray(bits, np.int64)
    return (x + ((1 << bits) >> 1) - ((x < 0) & (bits > 0))) >> bits


def requantize(
    acc: np.ndarray, requant: Scaling, zero_point: int, low: int, high: int, dtype: type[np.signedinteger] = np.int8
) -> np.ndarray:
    """Outputs of `dtype` for int64 accumulators ``(..., channels)``, each within int32 after the left shift."""
    return np.clip(requant.scale(acc) + zero_point, low, high).astype(dtype)


def exact_dot(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """int64 ``x @ weights.T`` of int8 or int16 `x` ``(..., k)`` and int8 `weights` ``(out, k)``.

    Computed in float64 because that is BLAS-fast and still exact: every partial sum is an integer below 2**53.
    """
    if x.shape[-1] > 2**53 // 2 ** (8 * x.itemsize + 6):
        raise OverflowError(f"{x.shape[-1]} products may exceed 2**53")
    return (x.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)


def accumulator_bound(weights: np.ndarray, bias: np.ndarray, largest: int = 128) -> np.ndarray:
    """Largest magnitude any partial sum can reach, per output channel: ``|bias| + largest * sum |w|``.

    weights (out, k) int8, bias (out,) with the input's zero point folded in; inputs are at most `largest`: any int8."""
    return np.abs(bias.astype(np.int64)) + largest * np.abs(weights.astype(np.int64)).sum(axis=1)


def halfwords(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """int32 words of two int16 values each."""
    return np.ascontiguousarray(np.stack([narrow(low, np.int16), narrow(high, np.int16)], axis=-1)).view(np.int32)[
        ..., 0
    ]
