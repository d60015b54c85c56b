"""Weights that are few levels times one scale per channel, as few-bit training and ternary pruning leave them.

Dividing by ``largest / 127`` would round them to uneven steps; a scale that makes each level a whole number keeps them exactly.
"""

from __future__ import annotations

import numpy as np

LARGEST_LEVEL = 8  # of 4-bit weights, -8 ... 7
TOLERANCE = 1e-5  # relative: float32 products of a level and a scale, and a batch norm folded in


def level_step(row: np.ndarray) -> float | None:
    """The step s where every weight of `row` is a whole multiple of s, at most `LARGEST_LEVEL` times; else None."""
    magnitudes = np.abs(row[row != 0]).astype(np.float64)
    if not len(magnitudes) or magnitudes.max() > (1 + TOLERANCE) * LARGEST_LEVEL * magnitudes.min():
        return None
    for level in range(1, LARGEST_LEVEL + 1):
        step = magnitudes.min() / level
        multiples = np.rint(magnitudes / step)
        if multiples.max() > LARGEST_LEVEL:
            return None
        if (np.abs(magnitudes - multiples * step) <= TOLERANCE * magnitudes).all():
            return float((magnitudes / multiples).mean())
    return None


def exact_scales(weight: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """`scales` (out,) no smaller, but such that every row of `weight` (out, k) with few levels becomes whole numbers."""
    result = scales.copy()
    for i, row in enumerate(weight):
        step = level_step(row)
        if step is not None and step / scales[i] >= 1:
            result[i] = step / np.floor(step / scales[i] * (1 + TOLERANCE))
    return result
