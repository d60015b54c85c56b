"""Weights and constants of the Helium kernels: vectors of sixteen bytes and of four words. Layouts: the kernels' headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import ONCE, Rounding, output_fields, rounding_of

if TYPE_CHECKING:  # ops import this module
    from cpcc.ops.requantized import Output

LANES = 4  # of 32 bits
VECTOR = 16  # bytes


def shifting_left(rounding: Rounding) -> np.ndarray:
    """int64 (channels, words): the rounding's constants, shifts negated, because VSHL shifts left."""
    return rounding.words.astype(np.int64) * (np.array([1]) if rounding.kind == ONCE else np.array([1, 1, -1]))


def constants_of(rounding: Rounding, groups: np.ndarray) -> np.ndarray:
    """int32: each group's biases, then per four lanes of it the rounding's constants, one vector behind the other.
    `groups` (groups, lanes) are channel numbers; those beyond the last have zeros."""
    words = np.pad(shifting_left(rounding), ((0, 1), (0, 0)))
    chosen = np.minimum(groups, len(rounding.bias))
    vectors = words[chosen].reshape(len(groups), -1, LANES, words.shape[1]).transpose(0, 1, 3, 2)
    biases = np.pad(rounding.bias, (0, 1))[chosen]
    return narrow(np.concatenate([biases, vectors.reshape(len(groups), -1)], axis=1), np.int32).ravel()


def in_groups(rows: int, group: int) -> np.ndarray:
    """(groups, group) channel numbers of `rows`, and beyond, in order."""
    return np.arange(-(-rows // group) * group).reshape(-1, group)


def dense_weights(weight: np.ndarray, group: int) -> np.ndarray:
    """int32 words of int8 `weight` (rows, k), `group` rows at a time, zeros behind the last; k is filled up to whole vectors."""
    filled = np.pad(weight, ((0, -len(weight) % group), (0, -weight.shape[1] % VECTOR)))
    vectors = filled.reshape(-1, group, filled.shape[1] // VECTOR, VECTOR).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(vectors).view(np.int32).ravel()


def fields(output: Output, weight: np.ndarray, words: np.ndarray, groups: np.ndarray) -> dict[str, int | np.ndarray]:
    """Fields of the C structs for int8 `weight` (channels, k), laid out as `words`, which follow from it alone, and constants
    for `groups` of channels beside them."""
    rounding = rounding_of(output, weight)
    assert rounding is not None
    return {
        "weights": words, "constants": constants_of(rounding, groups), **output_fields(output, rounding.kind),
    }  # fmt: skip


def dense_fields(output: Output, weight: np.ndarray, group: int = LANES) -> dict[str, int | np.ndarray]:
    """`fields` of int8 `weight` (rows, k) for a kernel that takes `group` rows at a time."""
    return fields(output, weight, dense_weights(weight, group), in_groups(len(weight), group))
