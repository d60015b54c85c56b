"""Sparse convolution for the DSP extension: eight pixels at a time, two in each 64-bit sum."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import accumulator_bound
from cpcc.formats import sparse8
from cpcc.formats.rounding import constant_outputs, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Overlap, Packed
from cpcc.ops.conv2d import tiles8

COMMON = (*tiles8.FILES, "kernels/cpcc_sparse8.h", "kernels/cpcc_sparse8_asm.h", "kernels/cpcc_sparse8_load.c")
FILES = (*COMMON, "kernels/cpcc_sparse8.c")
LAYOUT = tiles8.Layout(consecutive=4, group=1, words=1, unit=1)


def pack(node: Node, graph: Graph) -> Packed:
    output, of = node.params.output, tiles8.tiling(node, graph, LAYOUT)
    rounding, channels = rounding_of(output, of.matrix), of.weight.shape[3]
    assert rounding is not None
    stream = sparse8.stream(of.matrix, of.offsets, rounding, *constant_outputs(output, of.matrix))
    return tiles8.pack(node, of, stream, channels // 4, channels % 4, output.entry)


def applies(node: Node, graph: Graph) -> bool:
    if not tiles8.applies(node, tiles8.tiling(node, graph, LAYOUT)):
        return False
    rounding = rounding_of(node.params.output, node.params.matrix)
    assert rounding is not None
    return bool((accumulator_bound(node.params.matrix, rounding.bias) < sparse8.LIMIT).all())


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    fixed, _ = constant_outputs(node.params.output, tiles8.tiling(node, graph, LAYOUT).matrix)
    return features_of(node, graph, fixed)


def features_of(node: Node, graph: Graph, fixed: np.ndarray) -> tuple[float, ...]:
    """Where the channels `fixed` (out,) have no entries."""
    of = tiles8.tiling(node, graph, LAYOUT)
    entries, channels = sum(sparse8.row_entries(row, of.offsets) for row in of.matrix[~fixed]), of.weight.shape[3]
    loads = (int(channels > 3), channels // 4, *(int(channels % 4 == rest) for rest in (1, 2, 3)))
    return tiles8.features(node, graph, of, entries, loads, fixed)


def overlap(node: Node, graph: Graph) -> Overlap:
    return tiles8.overlap(node, graph, tiles8.tiling(node, graph, LAYOUT))


KERNEL = Kernel(
    "conv2d_sparse8", pack, fitted("conv2d_sparse8", features), DSP, applies, sparse=True, shared=FILES, overlap=overlap
)
