"""Functions of one int16 value: a table of 513 entries, 128 steps of the input apart, and straight lines between them.

Each entry lies below its function's value by half of what the line's middle lies above the function's, so the error is spread over the
segment rather than left in its middle. Source: LUTPopulateInt16 and LUTLookup of tensorflow/lite/kernels/internal/common.h.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cpcc.fixedpoint import narrow

SEGMENTS, STEP_BITS = 512, 7
LOW, HIGH = -(2**15), 2**15 - 1
FILES = ("include/cpcc_interpolate.h",)
Function = Callable[[np.ndarray], np.ndarray]
Real = np.floating[Any]


def halves_away(x: np.ndarray) -> np.ndarray:
    """`x` rounded to whole numbers of its own type, halves away from zero."""
    return np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x)


def table_of(function: Function, start: Real, step: Real, per_unit: Real) -> np.ndarray:
    """(513,) int16 entries of ``per_unit * function``, at `start` and each `step` after it, in the precision of `start`: float32 where
    the entries must be TensorFlow Lite's. Raises `OverflowError` where the function is no number."""
    two = start.dtype.type(2)
    i = np.arange(SEGMENTS + 1).astype(start.dtype)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # saturates; what is no number is reported
        here = function(start + i * step) * per_unit
        middle = function(start + i[:-1] * step + step / two) * per_unit
        if np.isnan(here).any() or np.isnan(middle).any():
            raise OverflowError("the function is no number for an input that can occur")
        here, middle = (np.clip(each, 2 * LOW, 2 * HIGH) for each in (here, middle))
        line = halves_away((here[1:] + halves_away(here[:-1])) / two)
        below = halves_away((line - halves_away(middle)) / two)
    entries = np.append(halves_away(here[:-1]) - below, halves_away(here[-1]))
    return narrow(np.clip(entries, LOW, HIGH).astype(np.int64), np.int16)


def interpolate(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """int64 values of the function at int16 `x`, halves up."""
    wide = np.asarray(x, np.int64)
    entries, index = table.astype(np.int64), (wide >> STEP_BITS) + SEGMENTS // 2
    base, slope = entries[index], entries[index + 1] - entries[index]
    return base + ((slope * (wide & (2**STEP_BITS - 1)) + 2 ** (STEP_BITS - 1)) >> STEP_BITS)
