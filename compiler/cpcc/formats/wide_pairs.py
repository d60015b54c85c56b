"""Weights of the int16 kernels for the DSP extension: twin of ``firmware/kernels/cpcc_wide2x2.h``."""

from __future__ import annotations

import numpy as np

from cpcc.ops.wide import WideOutput


def groups(inputs: int) -> int:
    """Groups of four weights that a row takes, the last filled up with zeros."""
    return -(-inputs // 4)


def pair_words(weight: np.ndarray) -> np.ndarray:
    """int8 `weight` (rows, k) as uint32 words, two rows by turns: four weights in the bytes 0, 2, 1, 3, so that SXTB16 gives
    the first two and, rotated, the last two. The second row of the last pair is zero where there is none."""
    rows, inputs = weight.shape
    padded = np.pad(weight, ((0, rows % 2), (0, 4 * groups(inputs) - inputs)))
    ordered = padded.reshape(len(padded) // 2, 2, -1, 4)[..., [0, 2, 1, 3]].transpose(0, 2, 1, 3)
    return np.ascontiguousarray(ordered).view("<u4").astype(np.uint32).reshape(-1)


def fits(output: WideOutput, weight: np.ndarray) -> bool:
    """Whether int32 holds every partial sum of int8 `weight` (rows, k): these kernels have no other."""
    return output.entry_for(weight) == ""
