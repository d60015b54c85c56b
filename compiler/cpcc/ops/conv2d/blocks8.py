"""Convolution of 1x4 blocks for the DSP extension: four input channels of one tap share an index and two SMLAD a pixel."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats import blocks8
from cpcc.formats.rounding import constant_outputs, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Overlap, Packed
from cpcc.ops.conv2d import tiles8

COMMON = (*tiles8.FILES, "kernels/cpcc_blocks8.h", "kernels/cpcc_blocks8_asm.h", "kernels/cpcc_blocks8_load.c")
FILES = (*COMMON, "kernels/cpcc_blocks8.c")
LAYOUT = tiles8.Layout(consecutive=8, group=4, words=2, unit=2)


def pack(node: Node, graph: Graph) -> Packed:
    output, of = node.params.output, tiles8.tiling(node, graph, LAYOUT)
    rounding = rounding_of(output, of.matrix)
    assert rounding is not None
    stream = blocks8.stream(of.matrix, of.offsets, rounding, *constant_outputs(output, of.matrix))
    return tiles8.pack(node, of, stream, of.weight.shape[3] // 4, 0)


def applies(node: Node, graph: Graph) -> bool:
    return tiles8.applies(node, tiles8.tiling(node, graph, LAYOUT))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    fixed, _ = constant_outputs(node.params.output, tiles8.tiling(node, graph, LAYOUT).matrix)
    return features_of(node, graph, fixed)


def features_of(node: Node, graph: Graph, fixed: np.ndarray) -> tuple[float, ...]:
    """Where the channels `fixed` (out,) have no blocks."""
    of = tiles8.tiling(node, graph, LAYOUT)
    entries = sum(len(blocks8.entries(row, of.offsets)) for row in of.matrix[~fixed])
    return tiles8.features(node, graph, of, entries, (1, of.weight.shape[3] // 4), fixed)


def overlap(node: Node, graph: Graph) -> Overlap:
    return tiles8.overlap(node, graph, tiles8.tiling(node, graph, LAYOUT))


KERNEL = Kernel(
    "conv2d_blocks8", pack, fitted("conv2d_blocks8", features), DSP, applies, sparse=True, shared=FILES, overlap=overlap
)
