"""Weight streams of the paired-row kernels: two weight rows in one word, for the dual multiply-accumulate SMLAD.

A halfword holds ``256 * b + a``, weights of rows A and B for one input: one SMLAD sums ``256 * B + A``, a second one on
the sign-extended low bytes sums A, so ``B = (mix - A) >> 8``. Layout: firmware/kernels/cpcc_tile4x2.h.
"""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import Rounding

GROUP = 4  # rows that a tile computes together
LIMIT_B = 2**23  # of a B row's dot product: 256 * B must fit int32


def widened_order(rows: int, run: int) -> np.ndarray:
    """(steps, 2) positions of an input patch's bytes, in the order of the widened copy; ``rows * run`` means none.

    The patch is `rows` runs of `run` bytes. SXTB16 widens bytes 0 and 2, then 1 and 3, of each whole word of a run. The
    one to three bytes left of each run follow: their first two as a pair, then the single ones of two runs at a time."""
    k = np.arange(rows * run).reshape(rows, run)
    words = k[:, : run // 4 * 4].reshape(-1, 4)
    steps = [words[:, [0, 2, 1, 3]].reshape(-1, 2)]
    left = k[:, run // 4 * 4 :]
    if run % 4 >= 2:
        steps.append(left[:, :2])
    if run % 2:
        singles = np.concatenate([left[:, -1], [rows * run]])[: (rows + 1) // 2 * 2]
        steps.append(singles.reshape(-1, 2))
    return np.concatenate(steps)


def pair_rows(a: np.ndarray, b: np.ndarray, order: np.ndarray) -> np.ndarray:
    """int32 words (pairs, steps) of int8 rows `a` and `b` (pairs, k), halfwords in `order` (steps, 2).

    Raises `OverflowError` where a B weight is -128, which `pairable` excludes."""
    mixed = 256 * b.astype(np.int64) + a
    halves = narrow(np.concatenate([mixed, np.zeros((len(mixed), 1), np.int64)], axis=1)[:, order], np.int16)
    return np.ascontiguousarray(halves).view(np.int32)[..., 0]


def pairable(weight: np.ndarray) -> bool:
    """Whether every odd row of int8 `weight` (rows, k) may be a B row, for any int8 input."""
    b = weight[1::2].astype(np.int64)
    bound = np.maximum(127 * b, -128 * b).sum(axis=1)
    return bool((b >= -127).all() and (bound < LIMIT_B).all())


def _padded(values: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([values, np.zeros((rows - len(values), *values.shape[1:]), values.dtype)])


def group_stream(weight: np.ndarray, rounding: Rounding, order: np.ndarray) -> np.ndarray:
    """int32 stream of whole groups of four rows: int8 `weight` (rows, k), zero rows added where the last is short."""
    pairs, bias, words = _groups(weight, rounding, order)
    parts = (bias[:, 0::2], pairs, rounding.gain * bias[:, 1::2], words)
    return narrow(np.concatenate(parts, axis=1), np.int32).ravel()


def group_streams_apart(weight: np.ndarray, rounding: Rounding, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `group_stream`, the weights in one int32 stream and the constants in another: firmware/kernels/cpcc_tile4x2_apart.h."""
    pairs, bias, words = _groups(weight, rounding, order)
    constants = np.concatenate((bias[:, 0::2], rounding.gain * bias[:, 1::2], words), axis=1)
    return narrow(pairs, np.int32).ravel(), narrow(constants, np.int32).ravel()


def _groups(weight: np.ndarray, rounding: Rounding, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By group of four rows: the words of its weights, its biases (groups, 4) and its other constants."""
    groups = -(-len(weight) // GROUP)
    weight, bias, words = (_padded(v, groups * GROUP) for v in (weight, rounding.bias, rounding.words))
    pairs = pair_rows(weight[0::2], weight[1::2], order).reshape(groups, 2, len(order))
    return (
        pairs.transpose(0, 2, 1).reshape(groups, 2 * len(order)), bias.reshape(groups, GROUP),
        words.reshape(groups, GROUP * words.shape[1]),
    )  # fmt: skip
