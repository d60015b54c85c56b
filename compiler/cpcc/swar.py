"""Weight streams of the kernels that hold two pixels in a word ("SIMD within a register"), for cores without SIMD.

A 32-bit sum of ``w * (x0 + (x1 << 16))`` that starts at 2^15 holds both pixels' sums while each stays in 16 bits, so a
row is cut into chunks for which the weights prove that. Layout: firmware/kernels/cpcc_swar.h."""

from __future__ import annotations

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.rounding import Rounding

GROUP = 4  # channels that a tile computes together
STEPS = 16  # that the assembly unrolls: a chunk has at most one more
STEP_BYTES = 52  # of code


def chunks(weight: np.ndarray) -> list[int]:
    """Lengths of the chunks that int8 `weight` (rows, k) is cut into, in order: the longest whose sums, for any int8
    input, stay within int16 in every row."""
    w = weight.astype(np.int64)
    above, below = np.maximum(127 * w, -128 * w), np.maximum(128 * w, -127 * w)
    lengths: list[int] = []
    start, k = 0, w.shape[1]
    while start < k:
        stop = min(k, start + STEPS + 1)
        fits = (above[:, start:stop].cumsum(axis=1) <= 2**15 - 1) & (below[:, start:stop].cumsum(axis=1) <= 2**15)
        lengths.append(int(np.argmin(np.append(fits.all(axis=0), False))))
        start += lengths[-1]
    return lengths


def grouped(weight: np.ndarray, rounding: Rounding) -> tuple[np.ndarray, Rounding]:
    """`weight` (rows, k) and its constants with zero rows added up to a whole number of groups."""
    more = -len(weight) % GROUP
    words = np.pad(rounding.words, ((0, more), (0, 0)))
    return np.pad(weight, ((0, more), (0, 0))), Rounding(rounding.kind, np.pad(rounding.bias, (0, more)), words)


def group_chunks(weight: np.ndarray) -> list[list[int]]:
    """The chunks of each group of four rows."""
    return [chunks(weight[i : i + GROUP]) for i in range(0, len(weight), GROUP)]


def _bytes(weight: np.ndarray, lengths: list[int]) -> bytes:
    """Of one group."""
    columns, parts, start = np.ascontiguousarray(weight.T), [], 0
    for length in lengths:
        skipped = STEP_BYTES * (STEPS + 1 - length)
        parts += [
            columns[start].tobytes(),
            skipped.to_bytes(2, "little"),
            columns[start + 1 : start + length].tobytes(),
        ]
        start += length
    return b"".join(parts)


def swar_stream(weight: np.ndarray, rounding: Rounding) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 weights, int32 constants) of int8 `weight` (rows, k) for ``cpcc_swar``."""
    weight, rounding = grouped(weight, rounding)
    streams, constants = [], []
    for group, lengths in enumerate(group_chunks(weight)):
        rows = slice(GROUP * group, GROUP * group + GROUP)
        bias = rounding.bias[rows].astype(np.int64)
        mixed = bias + (bias << 16) - (len(lengths) << 15)
        wrapped = (mixed & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
        streams.append(_bytes(weight[rows], lengths))
        constants += [np.stack([wrapped, bias], axis=1).ravel(), rounding.words[rows].ravel()]
    return np.frombuffer(b"".join(streams), np.uint8), narrow(np.concatenate(constants), np.int32)
