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
    return _stream(_parts(weight, rounding, columns))


def crossed_streams_apart(weight: np.ndarray, rounding: Rounding, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """As `crossed_stream`, the words of the weights in one int32 stream and the constants in another."""
    words, bias, constants = _parts(weight, rounding, columns)
    nothing = np.zeros((len(weight), 0), np.int32)
    return _stream((words, nothing, nothing)), _stream((nothing, bias, constants))


def _parts(weight: np.ndarray, rounding: Rounding, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By row: the words of its weights, its bias (rows, 1), its other constants."""
    words = crossed_words(np.pad(weight, ((0, 0), (0, columns - weight.shape[1]))))
    raised = RAISED * weight[:, 0::2].astype(np.int64).sum(axis=1)
    bias = narrow(rounding.gain * (rounding.bias.astype(np.int64) - raised), np.int32)
    return words, bias[:, None], rounding.words


def _stream(parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """`parts` (rows, words each) of four rows at a time, of the first word by word; then those of each row that remains."""
    words, bias, constants = parts
    groups, whole = len(words) // GROUP, len(words) // GROUP * GROUP
    fours = (
        words[:whole].reshape(groups, GROUP, words.shape[1]).transpose(0, 2, 1).reshape(groups, GROUP * words.shape[1]),
        bias[:whole].reshape(groups, GROUP * bias.shape[1]), constants[:whole].reshape(groups, GROUP * constants.shape[1]),
    )  # fmt: skip
    ones = (part[whole:] for part in parts)
    return np.concatenate([np.concatenate(tuple(part), axis=1).ravel() for part in (fours, ones)])
