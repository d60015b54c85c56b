"""Sparse convolution for the DSP extension: eight pixels at a time, two in each 64-bit sum."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import accumulator_bound, narrow
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import flattened, image
from cpcc.ops.overlap import strip_lag
from cpcc.rounding import TFLITE, TFLITE_RELU, rounding_kind, rounding_of
from cpcc.sparse import SPARSE8_LIMIT, sparse8_row_entries, sparse8_stream

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_sparse8.h", "kernels/cpcc_sparse8.c")


def input_columns(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """(first input column of each word, first word of each kernel column): a tile of eight outputs, in the words of
    ``cpcc_conv2d_sparse8``."""
    kw, stride = node.params.weight.shape[2], node.params.stride[1]
    columns: list[int] = []
    first = np.zeros(kw, np.int64)
    for remainder in range(min(stride, kw)):
        of_remainder = range(remainder, kw, stride)
        first[remainder::stride] = len(columns) + np.arange(len(of_remainder))
        columns += [remainder + stride * i for i in range(len(of_remainder) + 3)]
    return np.array(columns), first


def _offsets(node: Node) -> np.ndarray:
    """(kh * kw * in,) first word of each weight's input."""
    _, kh, _, channels = node.params.weight.shape
    columns, first = input_columns(node)
    ky, c = np.arange(kh)[:, None, None], np.arange(channels)[None, None, :]
    return ((ky * channels + c) * len(columns) + first[None, :, None]).ravel()


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, _, channels = node.params.weight.shape
    output, (columns, _) = node.params.output, input_columns(node)
    rounding = rounding_of(output, node.params.matrix)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        **flattened(node, graph), "kernel_h": kh, "out_channels": out,
        "words": len(columns), "columns": narrow(columns, np.uint8),
        "stream": sparse8_stream(node.params.matrix, _offsets(node), rounding.bias, rounding.words),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    width = fields["window.out_w"]
    assert isinstance(width, int)
    return Packed(fields, 4 * kh * channels * len(columns) + (8 * out if width < 8 else 0))


def applies(node: Node, graph: Graph) -> bool:
    rounding = rounding_of(node.params.output, node.params.matrix)
    if rounding is None or input_columns(node)[0][-1] > 255:
        return False
    return bool((accumulator_bound(node.params.matrix, rounding.bias) < SPARSE8_LIMIT).all())


def entries(node: Node) -> int:
    """Entries of the stream: nonzeros, and steps over wide gaps."""
    offsets = _offsets(node)
    return sum(sparse8_row_entries(row, offsets) for row in node.params.matrix)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    height, width = image(node, graph)
    out, kh, _, channels = node.params.weight.shape
    words, stride = len(input_columns(node)[0]), node.params.stride[0]
    stream, kind = entries(node), rounding_kind(node.params.output, node.params.matrix)
    tiles = -(-width // 8)
    new = height * min(stride, kh) + max(kh - stride, 0)
    rows = tiles * height
    return (
        rows, rows * out, rows * out * (kind == TFLITE), rows * out * (kind == TFLITE_RELU), rows * stream,
        tiles * new * words, tiles * new * words * (channels // 4), tiles * new * words * (channels % 4),
        tiles * (height * kh - new) * words * channels, height * width * out * (width < 8),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """A tile's rows are widened before one of its rows is written; a second tile begins at the image's top again. Where
    all rows are one, tiles follow each other, the last one over some of the pixels before."""
    height, width = image(node, graph)
    _, kh, _, channels = node.params.weight.shape
    if width <= 8:
        return Overlap(output=strip_lag(node, graph, kh, 1))
    if height > 1 or node.params.stride != (1, 1) or any(node.params.padding) or kh > 1:
        return Overlap()
    pixels = np.arange(0, width, 8)
    lags = pixels * len(node.params.weight) - np.minimum(pixels, width - 8) * channels
    return Overlap(output=max(0, int(lags.max())))


KERNEL = Kernel(
    "conv2d_sparse8", pack, fitted("conv2d_sparse8", features), DSP, applies, sparse=True, shared=FILES, overlap=overlap
)
