"""Integer arithmetic shared by every op: the twin of ``firmware/include/cpcc_fixed.h``.

Requantization in one rounding: ``q = clamp(zp + (((acc << left_shift) * multiplier + 2**31) >> 32))`` with
``multiplier = round(scale * 2**(32 - left_shift))``. On cores with the DSP extension that is SMMULR (or SMMLAR)
and SSAT. See docs/numerics.md.
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
    """Real scale per output channel as int32 `multiplier` (channels,) and one common `left_shift` in bits."""

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


def requantize(acc: np.ndarray, requant: Requant, zero_point: int, low: int, high: int) -> np.ndarray:
    """int8 of int64 accumulators ``(..., channels)``, each within int32 after the left shift."""
    shifted = np.asarray(acc, np.int64) << requant.left_shift
    rounded = (shifted * requant.multiplier.astype(np.int64) + (1 << 31)) >> 32
    return np.clip(rounded + zero_point, low, high).astype(np.int8)


def exact_dot(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """int64 ``x @ weights.T`` of int8 arrays ``(..., k)`` and ``(out, k)``.

    Computed in float64 because that is BLAS-fast and still exact: every partial sum is an integer below 2**53.
    """
    if x.shape[-1] > 2**53 // 2**14:
        raise OverflowError(f"{x.shape[-1]} products may exceed 2**53")
    return (x.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)


def accumulator_bound(weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Largest magnitude any partial sum can reach, per output channel: ``|bias| + 128 * sum |w|``.

    weights (out, k) int8, bias (out,) with the input's zero point folded in; inputs are any int8."""
    return np.abs(bias.astype(np.int64)) + 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
