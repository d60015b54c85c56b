"""Sparse convolution for the DSP extension: eight pixels at a time, two in each 64-bit sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc import sparse8
from cpcc.costs import fitted
from cpcc.fixedpoint import accumulator_bound, narrow
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Packed, Value
from cpcc.ops.conv2d.geometry import flattened
from cpcc.rounding import ONCE, TFLITE, TFLITE_RELU, constant_outputs, rounding_kind, rounding_of

FILES = (
    *STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_sparse8.h", "kernels/cpcc_sparse8.c",
    "kernels/cpcc_sparse8_load.h", "kernels/cpcc_sparse8_load.c",
)  # fmt: skip
TILE = 8


@dataclass(frozen=True, eq=False)
class Tiling:
    """The layer as tiles of eight columns see it: `weight` (out, kh, kw, in) and the sizes of `fields` have rows and columns
    exchanged where that takes fewer tiles."""

    weight: np.ndarray
    fields: dict[str, int]

    @property
    def columns(self) -> np.ndarray:
        """Input column of each word, from the tile's first window."""
        return self._order[0]

    @property
    def offsets(self) -> np.ndarray:
        """(kh * kw * in,) first word of each weight's input."""
        _, kh, _, channels = self.weight.shape
        columns, first = self._order
        ky, c = np.arange(kh)[:, None, None], np.arange(channels)[None, None, :]
        return ((ky * channels + c) * len(columns) + first[None, :, None]).ravel()

    @property
    def matrix(self) -> np.ndarray:
        return self.weight.reshape(len(self.weight), -1)

    @property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns, and the first word of each kernel column."""
        kw, stride = self.weight.shape[2], self.fields["window.stride_w"]
        columns: list[int] = []
        first = np.zeros(kw, np.int64)
        for remainder in range(min(stride, kw)):
            of_remainder = range(remainder, kw, stride)
            first[remainder::stride] = len(columns) + np.arange(len(of_remainder))
            columns += [remainder + stride * i for i in range(len(of_remainder) + 3)]
        return np.array(columns), first


_EXCHANGED = (("in_h", "in_w"), ("out_h", "out_w"), ("stride_h", "stride_w"), ("top", "left"), ("bottom", "right"))


def _tiles(height: int, width: int) -> int:
    return height * -(-width // TILE)


def tiling(node: Node, graph: Graph) -> Tiling:
    sizes = {key.removeprefix("window."): int(value) for key, value in flattened(node, graph).items()}
    weight = node.params.weight
    steps = {
        "in": (sizes["in_w"] * sizes["channels"], sizes["channels"]),
        "out": (sizes["out_w"] * len(weight), len(weight)),
    }
    if _tiles(sizes["out_w"], sizes["out_h"]) < _tiles(sizes["out_h"], sizes["out_w"]):
        weight = weight.transpose(0, 2, 1, 3)
        for a, b in _EXCHANGED:
            sizes[a], sizes[b] = sizes[b], sizes[a]
        steps = {name: (step, row) for name, (row, step) in steps.items()}
    window = {f"window.{key}": value for key, value in sizes.items()}
    more = {"kernel_h": weight.shape[1], "out_channels": len(weight), "in_row": steps["in"][0], "in_step": steps["in"][1],
            "out_row": steps["out"][0], "out_step": steps["out"][1],
            "span": weight.shape[2] + (TILE - 1) * sizes["stride_w"]}  # fmt: skip
    return Tiling(np.ascontiguousarray(weight), window | more)


def pack(node: Node, graph: Graph) -> Packed:
    output, of = node.params.output, tiling(node, graph)
    rounding = rounding_of(output, node.params.matrix)
    assert rounding is not None
    fixed, value = constant_outputs(output, of.matrix)
    words, channels = len(of.columns), of.weight.shape[3]
    fields: dict[str, Value] = {
        **of.fields, "words": words, "columns": narrow(of.columns, np.uint8),
        "stream": sparse8.stream(of.matrix, of.offsets, rounding, fixed, value),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    spare = TILE * len(of.weight) if of.fields["window.out_w"] < TILE else 0
    rows = 4 * of.weight.shape[1] * channels * words + 32
    return Packed(fields, rows + 16 * words + -(-channels // 4) * 4 + spare)


def applies(node: Node, graph: Graph) -> bool:
    rounding = rounding_of(node.params.output, node.params.matrix)
    if rounding is None or tiling(node, graph).columns[-1] > 255:
        return False
    return bool((accumulator_bound(node.params.matrix, rounding.bias) < sparse8.LIMIT).all())


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    of, kind = tiling(node, graph), rounding_kind(node.params.output, node.params.matrix)
    fixed, _ = constant_outputs(node.params.output, of.matrix)
    height, width, stride = (of.fields[f"window.{key}"] for key in ("out_h", "out_w", "stride_h"))
    _, kh, _, channels = of.weight.shape
    entries = sum(sparse8.row_entries(row, of.offsets) for row in of.matrix[~fixed])
    words, tiles, varying = len(of.columns), -(-width // TILE), int((~fixed).sum())
    first = np.arange(height) * stride - of.fields["window.top"]
    begin = first + np.where(first == first[0], 0, max(kh - stride, 0))  # rows before it are there already
    below = of.fields["window.in_h"]
    new = int(np.clip(np.minimum(first + kh, below) - np.maximum(begin, 0), 0, None).sum())
    filled = int((first + kh - begin).sum()) - new
    kept = int((begin - first).sum())
    rows = tiles * height
    rounded = [rows * varying * (kind == each) for each in (ONCE, TFLITE, TFLITE_RELU)]
    loaded = tiles * new * words
    return (
        1.0, tiles, tiles * words, rows, *rounded, rows * int(fixed.sum()), rows * entries, tiles * new, loaded * (channels > 3),
        loaded * (channels // 4), loaded * (channels % 4 > 0), loaded * (channels % 4), tiles * kept * words * channels, tiles * filled,
        tiles * filled * words * channels,
        height * width * len(of.weight) * (width < TILE),
    )  # fmt: skip


KERNEL = Kernel("conv2d_sparse8", pack, fitted("conv2d_sparse8", features), DSP, applies, sparse=True, shared=FILES)
