"""Requantization constants of the kernels that read one stream of words: twin of ``firmware/include/cpcc_rounding.h``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.fixedpoint import INT32_MAX, Requant, TfliteRequant, accumulator_bound, narrow
from cpcc.ops.requantized import Output

ONCE, TFLITE, TFLITE_RELU = range(3)


@dataclass(frozen=True, eq=False)
class Rounding:
    """`bias` (channels,) int32 and `words` (channels, 1 or 3) int32 of a layer; `kind` as the C enumeration.

    The kernels round `gain` times the accumulator."""

    kind: int
    bias: np.ndarray
    words: np.ndarray

    @property
    def gain(self) -> int:
        return 1 if self.kind == ONCE else 2

    def rows(self, start: int, stop: int) -> Rounding:
        """Of the channels from `start` up to `stop`."""
        return Rounding(self.kind, self.bias[start:stop], self.words[start:stop])


def rounding_of(output: Output, weight: np.ndarray) -> Rounding | None:
    """The constants for int8 `weight` (channels, k), or None where these kernels cannot round so: a scale of 1/2 or
    more, or an accumulator that does not fit twice."""
    if isinstance(output.requant, Requant):
        fits = output.requant.left_shift == 0
        return Rounding(ONCE, output.bias, output.requant.multiplier[:, None]) if fits else None
    return _tflite(output, output.requant, weight)


def constant_outputs(output: Output, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(channels,) whether a channel's output is one value whatever the int8 input, and that value."""
    w = weight.astype(np.int64)
    lowest = output.apply(np.minimum(-128 * w, 127 * w).sum(axis=1))
    highest = output.apply(np.maximum(-128 * w, 127 * w).sum(axis=1))
    return lowest == highest, lowest


def _tflite(output: Output, requant: TfliteRequant, weight: np.ndarray) -> Rounding | None:
    """A constant channel gets the multiplier 0, so its bias, which may be huge, does not matter."""
    fixed, value = constant_outputs(output, weight)
    bias = np.where(fixed, 0, output.bias)
    bound = accumulator_bound(weight, bias)
    multiplier = np.where(fixed, 0, requant.multiplier.astype(np.int64))
    shift = np.where(fixed, 1, -requant.shift.astype(np.int64))
    if (shift < 1).any() or (2 * bound > INT32_MAX).any():
        return None
    offset = (1 << shift >> 1) + (np.where(fixed, value.astype(np.int64), output.zero_point) << shift)
    if ((bound * multiplier >> 31) + np.abs(offset) + 2 > INT32_MAX).any():
        return None
    kind = TFLITE_RELU if output.low >= output.zero_point else TFLITE
    return Rounding(kind, narrow(bias, np.int32), narrow(np.stack([multiplier, offset, shift], axis=1), np.int32))
