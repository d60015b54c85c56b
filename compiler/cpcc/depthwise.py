"""Weight streams of the depthwise kernels, four channels at a time. Layouts: the kernels' headers."""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.rounding import Rounding


def groups_of_four(channels: int) -> np.ndarray:
    """(groups, 4) channel numbers; the last four overlap the ones before where `channels` is no multiple of 4."""
    starts = np.minimum(np.arange(0, channels, 4), channels - 4)
    return starts[:, None] + np.arange(4)


def halfwords(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """int32 words of two int16 values each."""
    return np.ascontiguousarray(np.stack([narrow(low, np.int16), narrow(high, np.int16)], axis=-1)).view(np.int32)[
        ..., 0
    ]


def quad_stream(weight: np.ndarray, rounding: Rounding) -> np.ndarray:
    """int32 stream of int8 `weight` (channels, taps) for ``cpcc_depthwise_quad``."""
    groups = groups_of_four(len(weight))
    w = rounding.gain * weight.astype(np.int64)[groups]
    words = np.stack([halfwords(w[:, 0], w[:, 2]), halfwords(w[:, 1], w[:, 3])], axis=-1)
    bias, constants = rounding.gain * rounding.bias.astype(np.int64)[groups], rounding.words[groups]
    parts = (bias, words.reshape(len(groups), -1), constants.reshape(len(groups), -1))
    return narrow(np.concatenate(parts, axis=1), np.int32).ravel()


def paired_stream(weight: np.ndarray, rounding: Rounding) -> np.ndarray:
    """int32 stream of int8 `weight` (channels, 9), a 3x3 kernel by rows, for ``cpcc_depthwise_paired``."""
    order = groups_of_four(len(weight)).ravel()
    w = (rounding.gain * weight.astype(np.int64)).reshape(-1, 3, 3)[order]
    bias = rounding.gain * rounding.bias.astype(np.int64)[order, None]
    parts = (halfwords(w[:, 0], w[:, 1]), halfwords(w[:, 1], w[:, 2]), bias, rounding.words[order])
    return narrow(np.concatenate(parts, axis=1), np.int32).ravel()
