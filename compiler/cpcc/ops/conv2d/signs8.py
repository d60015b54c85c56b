"""Convolution of ternary weights for the DSP extension: inputs are added and subtracted, two pixels an instruction."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats import signs8
from cpcc.formats.rounding import constant_outputs, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Overlap, Packed
from cpcc.ops.conv2d import tiles8

FILES = (*tiles8.FILES, "kernels/cpcc_signs8.h", "kernels/cpcc_signs8.c")
LAYOUT = tiles8.Layout(consecutive=4, group=1, words=1, unit=1)


def pack(node: Node, graph: Graph) -> Packed:
    output, of = node.params.output, tiles8.tiling(node, graph, LAYOUT)
    rounding, channels = rounding_of(output, of.matrix), of.weight.shape[3]
    assert rounding is not None
    fixed, value = constant_outputs(output, of.matrix)
    stream = signs8.stream(of.matrix, of.offsets, rounding, output.zero_point, fixed, value)
    return tiles8.pack(node, of, stream, channels // 4, channels % 4)


def applies(node: Node, graph: Graph) -> bool:
    """Where every row that varies has one level, and so few weights that no sum leaves 16 bits."""
    fixed, _ = constant_outputs(node.params.output, node.params.matrix)
    rows = node.params.matrix[~fixed]
    if (np.count_nonzero(rows, axis=1) > signs8.MOST).any() or any(signs8.level(row) is None for row in rows):
        return False
    of = tiles8.tiling(node, graph, LAYOUT)
    return tiles8.applies(node, of) and bool(of.offsets.max() < 2**16)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    of = tiles8.tiling(node, graph, LAYOUT)
    fixed, _ = constant_outputs(node.params.output, of.matrix)
    rows, channels = of.matrix[~fixed], of.weight.shape[3]
    tiles = -(-of.fields["window.out_w"] // tiles8.TILE) * of.fields["window.out_h"]
    turns = sum(bool(len(signs8.signs(row, of.offsets)[2])) for row in rows)
    loads = (int(channels > 3), channels // 4, *(int(channels % 4 == rest) for rest in (1, 2, 3)))
    return (*tiles8.features(node, graph, of, int(np.count_nonzero(rows)), loads, fixed), float(tiles * turns))


def overlap(node: Node, graph: Graph) -> Overlap:
    return tiles8.overlap(node, graph, tiles8.tiling(node, graph, LAYOUT))


KERNEL = Kernel(
    "conv2d_signs8", pack, fitted("conv2d_signs8", features), DSP, applies, sparse=True, shared=FILES, overlap=overlap
)
