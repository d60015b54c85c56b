"""Convolution of 1x16 blocks for Helium: a vector of weights of one output channel and tap meets eight pixels."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats import blocks16
from cpcc.formats.rounding import ONCE, TFLITE, TFLITE_RELU, output_fields, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import MVE, MVE_FILES, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import flattened, image, strip_bytes
from cpcc.ops.overlap import conv_lag, strip_lag

FILES = (*MVE_FILES, "kernels/cpcc_strip.h", "kernels/cpcc_strip.c")
PIXELS = 8
FURTHEST = 0xFFFF  # bytes between a tile's first and last outputs


def _vectors(node: Node) -> int:
    """Of sixteen inputs in a window."""
    return int(node.params.matrix.shape[1]) // blocks16.BLOCK


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, channels = node.params.weight.shape
    output, matrix = node.params.output, node.params.matrix
    fields: dict[str, int | np.ndarray] = {
        **flattened(node, graph), "kernel_h": kh, "run": kw * channels // blocks16.BLOCK, "out_channels": out,
        "stream": blocks16.stream(matrix), "constants": blocks16.constants(matrix, output),
        **output_fields(output, rounding_kind(output, matrix)),
    }  # fmt: skip
    return Packed(fields, PIXELS * blocks16.BLOCK * _vectors(node) + strip_bytes(node, graph, kh, 1))


def applies(node: Node, graph: Graph) -> bool:
    out, _, kw, channels = node.params.weight.shape
    if kw * channels % blocks16.BLOCK or (PIXELS - 1) * out > FURTHEST:
        return False
    return rounding_of(node.params.output, node.params.matrix) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    height, width = image(node, graph)
    output, matrix, kh = node.params.output, node.params.matrix, node.params.weight.shape[1]
    kind = rounding_kind(output, matrix)
    entries = [len(blocks16.entries(row)) for row in matrix if row.any()]
    tiles = -(-height * width // PIXELS)
    jumps = sum(-(-(n - 1) // blocks16.BLOCKS) for n in entries)
    rounded = [tiles * len(entries) * (kind == each) for each in (ONCE, TFLITE, TFLITE_RELU)]
    slots = tiles * PIXELS
    return (
        1.0, height, slots, slots * kh, slots * _vectors(node), tiles, *rounded,
        tiles * (len(matrix) - len(entries)), tiles * sum(entries), tiles * jumps, height * strip_bytes(node, graph, kh, 1),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """Eight pixels after eight others, all copied before one output is written."""
    if any(node.params.padding):
        return Overlap(output=strip_lag(node, graph, node.params.weight.shape[1], 1))
    return Overlap(output=conv_lag(node, graph, block=PIXELS, ahead=0))


KERNEL = Kernel(
    "conv2d_mve_blocks", pack, fitted("conv2d_mve_blocks", features), MVE, applies, sparse=True, shared=FILES,
    overlap=overlap,
)  # fmt: skip
