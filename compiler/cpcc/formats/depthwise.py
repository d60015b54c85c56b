"""Weight streams of the depthwise kernels, four channels at a time, and their constants. Layouts: the kernels' headers.

`weight` is int64 (channels, taps): `Rounding.gain` times the int8 ones."""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import halfwords, narrow
from cpcc.formats.rounding import Rounding


def groups_of_four(channels: int) -> np.ndarray:
    """(groups, 4) channel numbers; the last four overlap the ones before where `channels` is no multiple of 4."""
    starts = np.minimum(np.arange(0, channels, 4), channels - 4)
    return starts[:, None] + np.arange(4)


def channel_constants(rounding: Rounding) -> np.ndarray:
    """int32 constants, channel by channel: the bias and the others."""
    order = groups_of_four(len(rounding.bias)).ravel()
    bias = rounding.gain * rounding.bias.astype(np.int64)[order, None]
    return narrow(np.concatenate([bias, rounding.words[order]], axis=1), np.int32).ravel()


def group_constants(rounding: Rounding) -> np.ndarray:
    """int32 constants, group by group: four biases and the others."""
    groups = groups_of_four(len(rounding.bias))
    bias, words = rounding.gain * rounding.bias.astype(np.int64)[groups], rounding.words[groups]
    return narrow(np.concatenate([bias, words.reshape(len(groups), -1)], axis=1), np.int32).ravel()


def quad_stream(weight: np.ndarray) -> np.ndarray:
    """int32 stream of `weight` for ``cpcc_depthwise_quad``."""
    w = weight[groups_of_four(len(weight))]
    return narrow(np.stack([halfwords(w[:, 0], w[:, 2]), halfwords(w[:, 1], w[:, 3])], axis=-1), np.int32).ravel()


def column_stream(weight: np.ndarray) -> np.ndarray:
    """int32 stream of `weight` (channels, 9), a 3x3 kernel by rows, for ``cpcc_depthwise_3x3``."""
    w = weight[groups_of_four(len(weight))].reshape(-1, 4, 3, 3)  # group, channel, row, column
    upper = halfwords(w[:, :, 0], w[:, :, 1]).transpose(0, 2, 1)
    third = np.stack([halfwords(w[:, 0, 2], w[:, 2, 2]), halfwords(w[:, 1, 2], w[:, 3, 2])], axis=-1)
    return narrow(np.concatenate([upper, third], axis=2), np.int32).ravel()


def paired_stream(weight: np.ndarray) -> np.ndarray:
    """int32 stream of `weight` (channels, 9), a 3x3 kernel by rows, for ``cpcc_depthwise_paired``."""
    w = weight.reshape(-1, 3, 3)[groups_of_four(len(weight)).ravel()]
    return narrow(
        np.concatenate([halfwords(w[:, 0], w[:, 1]), halfwords(w[:, 1], w[:, 2])], axis=1), np.int32
    ).ravel()


def stride2_stream(weight: np.ndarray) -> np.ndarray:
    """int32 stream of `weight` (channels, 9), a 3x3 kernel by rows, for ``cpcc_depthwise_stride2``."""
    w = weight.reshape(-1, 3, 3)[groups_of_four(len(weight)).ravel()]
    third = np.stack([halfwords(w[:, 2, 0], w[:, 2, 1]), halfwords(w[:, 2, 2], 0 * w[:, 2, 2])], axis=1)
    return narrow(np.concatenate([halfwords(w[:, 0], w[:, 1]), third], axis=1), np.int32).ravel()


def column_steps(taps: int) -> int:
    """Pairs of inputs under each output of ``cpcc_depthwise_column``."""
    return taps // 2 + 1


def steps_stream(weight: np.ndarray) -> np.ndarray:
    """int32 stream of `weight` for ``cpcc_depthwise_column``."""
    w = weight[groups_of_four(len(weight)).ravel()]
    steps = column_steps(w.shape[1])
    even, odd = (np.pad(w, ((0, 0), (first, 2 * steps - w.shape[1] - first))) for first in (0, 1))
    words = np.stack([halfwords(each[:, 0::2], each[:, 1::2]) for each in (even, odd)], axis=-1)
    return narrow(words, np.int32).ravel()
