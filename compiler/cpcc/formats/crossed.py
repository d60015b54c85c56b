"""Weight streams of the dense fully connected kernels: four weights of a row in one word, for the dual multiply SMLSD.

Layout and arithmetic: firmware/kernels/cpcc_linear_paired.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cpcc.fixedpoint import halfwords, narrow

if TYPE_CHECKING:  # the ops import this module
    from cpcc.formats.rounding import Rounding

LIMIT = 2**23  # of a row's sum: 256 times it must fit int32
RAISED = 128  # added to every other input, which makes its byte unsigned
GROUP = 4  # rows that a tile computes together


def crossable(weight: np.ndarray) -> bool:
    """Whether every row of int8 `weight` (rows, k) has an exact sum, for any int8 input."""
    w = weight.astype(np.int64)
    raised, plain = w[:, 0::2], w[:, 1::2]
    highest = np.maximum(255 * raised, 0).sum(axis=1) + np.maximum(127 * plain, -128 * plain).sum(axis=1)
    lowest = np.minimum(255 * raised, 0).sum(axis=1) + np.minimum(127 * plain, -128 * plain).sum(axis=1)
    return bool((w >= -127).all() and (highest < LIMIT).all() and (lowest > -LIMIT).all())


def crossed_words(weight: np.ndarray) -> np.ndarray:
    """int32 words (rows, k / 4) of int8 `weight` (rows, k); k is a multiple of 4.

    Raises `OverflowError` where a weight is -128, which `crossable` excludes."""
    w = weight.reshape(len(weight), -1, 4).astype(np.int64)
    return halfwords(256 * w[..., 2] - w[..., 3], -256 * w[..., 0] + w[..., 1])


def crossed_stream(weight: np.ndarray, rounding: Rounding, columns: int) -> np.ndarray:
    """int32 stream of int8 `weight` (rows, k), its rows filled up with zeros to `columns`, a multiple of 4."""
    rows, inputs = weight.shape
    words = crossed_words(np.pad(weight, ((0, 0), (0, columns - inputs))))
    raised = RAISED * weight[:, 0::2].astype(np.int64).sum(axis=1)
    bias = narrow(rounding.gain * (rounding.bias.astype(np.int64) - raised), np.int32)
    groups, blocks, whole = rows // GROUP, columns // 4, rows // GROUP * GROUP
    fours = (
        words[:whole].reshape(groups, GROUP, blocks).transpose(0, 2, 1).reshape(groups, GROUP * blocks),
        bias[:whole].reshape(groups, GROUP), rounding.words[:whole].reshape(groups, GROUP * rounding.words.shape[1]),
    )  # fmt: skip
    ones = words[whole:], bias[whole:, None], rounding.words[whole:]
    return np.concatenate([np.concatenate(part, axis=1).ravel() for part in (fours, ones)])
