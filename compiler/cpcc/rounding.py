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
    return _tflite(output, output.requant, accumulator_bound(weight, output.bias))


def _tflite(output: Output, requant: TfliteRequant, bound: np.ndarray) -> Rounding | None:
    multiplier, right = requant.multiplier.astype(np.int64), requant.right
    product = (bound * multiplier >> 31) + 1
    zero = (multiplier == 0) | (2 * product < 1 << right)  # every accumulator rounds to 0
    multiplier, shift = np.where(zero, 0, multiplier), np.where(zero, 1, right)
    offset = (1 << shift >> 1) + (output.zero_point << shift)
    reach = np.where(zero, 0, product) + np.abs(offset) + 1
    if (requant.shift[~zero] >= 0).any() or (2 * bound > INT32_MAX).any() or (reach > INT32_MAX).any():
        return None
    kind = TFLITE_RELU if output.low >= output.zero_point else TFLITE
    return Rounding(kind, output.bias, narrow(np.stack([multiplier, offset, shift], axis=1), np.int32))
