"""Requantization constants of the kernels that read them as words: twin of ``firmware/include/cpcc_rounding.h``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cpcc.fixedpoint import INT32_MAX, Requant, TfliteRequant, accumulator_bound, narrow

if TYPE_CHECKING:  # ops import this module
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
        return _once(output, output.requant, weight) if output.requant.left_shift == 0 else None
    return _tflite(output, output.requant, weight)


def output_fields(output: Output, kind: int) -> dict[str, int]:
    """Those of the C structs that say how a kernel rounds and clamps."""
    return {"rounding": kind, "zero_point": output.zero_point, "low": output.low, "high": output.high}


def row_constants(rounding: Rounding) -> np.ndarray:
    """int32 biases and constants of the channels, one channel after the other, and a word that kernels read ahead."""
    return np.append(np.column_stack([rounding.bias, rounding.words]).ravel(), 0).astype(np.int32)


def apart_fields(
    output: Output, weight: np.ndarray, stream: Callable[[np.ndarray], np.ndarray], constants: Callable[[Rounding], np.ndarray]
) -> dict[str, int | np.ndarray]:
    """Fields of the C structs for int8 `weight` (channels, k): what `stream` lays out, of the weights times `Rounding.gain`, int64, and
    `constants` beside it, so that layers with the same weights, and the same gain, store those once."""
    rounding = rounding_of(output, weight)
    assert rounding is not None
    return {
        "stream": stream(rounding.gain * weight.astype(np.int64)), "constants": constants(rounding), **output_fields(output, rounding.kind),
    }  # fmt: skip


def constant_outputs(output: Output, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(channels,) whether a channel's output is one value whatever the int8 input, and that value."""
    w = weight.astype(np.int64)
    lowest = output.apply(np.minimum(-128 * w, 127 * w).sum(axis=1))
    highest = output.apply(np.maximum(-128 * w, 127 * w).sum(axis=1))
    return lowest == highest, lowest


def rounding_kind(output: Output, weight: np.ndarray) -> int:
    """The kind of `rounding_of` where it is not None."""
    if isinstance(output.requant, Requant):
        return ONCE
    return TFLITE_RELU if output.low >= output.zero_point else TFLITE


def is_tflite(output: Output) -> bool:
    return isinstance(output.requant, TfliteRequant)


def _once(output: Output, requant: Requant, weight: np.ndarray) -> Rounding:
    """A constant channel without weights, or one at the zero point, gets a bias of a few bits: it may be huge."""
    fixed, value = constant_outputs(output, weight)
    steps = value.astype(np.int64) - output.zero_point
    empty, zero = fixed & ~weight.any(axis=1), fixed & (steps == 0)
    bias = np.where(zero, 0, np.where(empty, 4 * steps, output.bias))
    multiplier = np.where(zero, 0, np.where(empty, 1 << 30, requant.multiplier))
    return Rounding(ONCE, narrow(bias, np.int32), narrow(multiplier[:, None], np.int32))


def _tflite(output: Output, requant: TfliteRequant, weight: np.ndarray) -> Rounding | None:
    """A constant channel gets the multiplier 0, so its bias, which may be huge, does not matter."""
    fixed, value = constant_outputs(output, weight)
    zero = TfliteRequant(
        np.where(fixed, 0, requant.multiplier).astype(np.int32), np.where(fixed, -1, requant.shift).astype(np.int8)
    )
    calm = replace(output, bias=np.where(fixed, 0, output.bias).astype(np.int32))
    at = np.where(fixed, value.astype(np.int64), output.zero_point)
    return tflite_rounding(calm, zero, accumulator_bound(weight, calm.bias), at)


def tflite_rounding(
    output: Output, requant: TfliteRequant, bound: np.ndarray, zero_points: np.ndarray | None = None
) -> Rounding | None:
    """Constants for accumulators up to `bound` (channels,); `zero_points` (channels,) where they are not the output's.
    None where a channel shifts left or does not shift, or does not fit twice."""
    multiplier, shift = requant.multiplier.astype(np.int64), -requant.shift.astype(np.int64)
    if (shift < 1).any() or (2 * bound > INT32_MAX).any():
        return None
    offset = (1 << shift >> 1) + ((output.zero_point if zero_points is None else zero_points) << shift)
    if ((bound * multiplier >> 31) + np.abs(offset) + 2 > INT32_MAX).any():
        return None
    kind = TFLITE_RELU if output.low >= output.zero_point else TFLITE
    return Rounding(kind, output.bias, narrow(np.stack([multiplier, offset, shift], axis=1), np.int32))
