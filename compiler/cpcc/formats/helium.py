"""Weight streams of the Helium kernels: vectors of sixteen bytes and of four words. Layouts: the kernels' headers."""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import ONCE, Rounding

LANES = 4  # of 32 bits
VECTOR = 16  # bytes


def vectors(rounding: Rounding, groups: np.ndarray) -> np.ndarray:
    """int32 (groups, words): each group's rounding constants, one vector behind the other; shifts are negated, because
    VSHL shifts left. `groups` (groups, lanes) are channel numbers; those beyond the last have zeros."""
    words = rounding.words.astype(np.int64) * (np.array([1]) if rounding.kind == ONCE else np.array([1, 1, -1]))
    filled = np.concatenate([words, np.zeros((1, words.shape[1]), np.int64)])
    chosen = filled[np.minimum(groups, len(words))]
    return narrow(chosen.transpose(0, 2, 1).reshape(len(groups), -1), np.int32)


def dense_stream(weight: np.ndarray, rounding: Rounding, group: int = LANES) -> np.ndarray:
    """int32 stream of int8 `weight` (rows, k), `group` rows at a time; k is filled up to whole vectors."""
    rows, k = weight.shape
    groups = -(-rows // group)
    more = groups * group - rows
    filled = np.pad(weight, ((0, more), (0, -k % VECTOR))).reshape(groups, group, -1, VECTOR)
    words = np.ascontiguousarray(filled.transpose(0, 2, 1, 3)).view(np.int32).reshape(groups, -1)
    bias = np.pad(rounding.bias, (0, more)).reshape(groups, group)
    constants = vectors(rounding, np.arange(groups * group).reshape(-1, LANES)).reshape(groups, -1)
    return narrow(np.concatenate([bias, words, constants], axis=1), np.int32).ravel()
