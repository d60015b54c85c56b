"""Weight streams of the kernels that hold two pixels in a word ("SIMD within a register"), for cores without SIMD.

A 32-bit sum of ``w * (x0 + (x1 << 16))`` that starts at 2^15 holds both pixels' sums while each stays in 16 bits, so a
row is cut into chunks for which the weights prove that. Layout: firmware/kernels/cpcc_swar.h."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import Rounding

STEPS = 16  # that the assembly unrolls


@dataclass(frozen=True)
class Tile:
    """How a C tile reads its weights: `group` channels together, `step_bytes` of code for an unrolled step; with `first` the first
    step of a chunk lies before the unrolled ones."""

    group: int
    step_bytes: int
    first: bool

    @property
    def longest(self) -> int:
        """Inputs of the longest chunk."""
        return STEPS + self.first


FOUR = Tile(4, 52, True)  # cpcc_swar
TWO = Tile(2, 28, False)  # cpcc_swar2


def chunks(weight: np.ndarray, longest: int = FOUR.longest) -> list[int]:
    """Lengths of the chunks that int8 `weight` (rows, k) is cut into, in order: the longest whose sums, for any int8
    input, stay within int16 in every row, up to `longest`."""
    w = weight.astype(np.int64)
    above, below = np.maximum(127 * w, -128 * w), np.maximum(128 * w, -127 * w)
    lengths: list[int] = []
    start, k = 0, w.shape[1]
    while start < k:
        stop = min(k, start + longest)
        fits = (above[:, start:stop].cumsum(axis=1) <= 2**15 - 1) & (below[:, start:stop].cumsum(axis=1) <= 2**15)
        lengths.append(int(np.argmin(np.append(fits.all(axis=0), False))))
        start += lengths[-1]
    return lengths


def grouped(weight: np.ndarray, tile: Tile) -> np.ndarray:
    """int8 `weight` (rows, k) as (groups, group, k), zero rows added where the last group is short."""
    return np.pad(weight, ((0, -len(weight) % tile.group), (0, 0))).reshape(-1, tile.group, weight.shape[1])


def group_chunks(weight: np.ndarray, tile: Tile) -> list[list[int]]:
    """The chunks of each group of rows."""
    return [chunks(group, tile.longest) for group in grouped(weight, tile)]


def _bytes(group: np.ndarray, lengths: list[int], tile: Tile) -> bytes:
    """Of one group (rows, k)."""
    columns, parts, start = np.ascontiguousarray(group.T), [], 0
    for length in lengths:
        skipped = (tile.step_bytes * (tile.longest - length)).to_bytes(2, "little")
        chunk = columns[start : start + length]
        parts += [chunk[: tile.first].tobytes(), skipped, chunk[tile.first :].tobytes()]
        start += length
    return b"".join(parts)


def swar_stream(weight: np.ndarray, rounding: Rounding, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """(uint16 pairs of weights and distances, int32 constants) of int8 `weight` (rows, k) for `tile`."""
    groups, cuts, more = grouped(weight, tile), group_chunks(weight, tile), -len(weight) % tile.group
    bias = np.pad(rounding.bias, (0, more)).astype(np.int64).reshape(len(groups), tile.group)
    words = np.pad(rounding.words, ((0, more), (0, 0))).reshape(len(groups), -1)
    starts = bias + (bias << 16) - (np.array([len(lengths) for lengths in cuts])[:, None] << 15)
    wrapped = (starts & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    totals = np.stack([wrapped, bias], axis=2).reshape(len(groups), -1)
    stream = b"".join(_bytes(group, lengths, tile) for group, lengths in zip(groups, cuts, strict=True))
    return np.frombuffer(stream, "<u2").astype(np.uint16), narrow(
        np.concatenate([totals, words], axis=1), np.int32
    ).ravel()
