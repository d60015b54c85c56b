"""As `blocks8`, the constants apart from the blocks: for layers with the same weights between tensors of other types."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.blocks8 import stream_apart
from cpcc.formats.rounding import rounding_of, row_constants
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.conv2d import blocks8, tiles8

FILES = (*blocks8.COMMON, "kernels/cpcc_blocks8_apart.c")


def pack(node: Node, graph: Graph) -> Packed:
    of = tiles8.tiling(node, graph, blocks8.LAYOUT)
    rounding = rounding_of(node.params.output, of.matrix)
    assert rounding is not None
    packed = tiles8.pack(node, of, stream_apart(of.matrix, of.offsets), of.weight.shape[3] // 4, 0)
    return tiles8.with_constants(packed, row_constants(rounding))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    """Those of `blocks8`, where every channel varies."""
    own = blocks8.features_of(node, graph, np.zeros(len(node.params.weight), bool))
    return (*own[:7], *own[8:])


KERNEL = Kernel(
    "conv2d_blocks8_apart", pack, fitted("conv2d_blocks8_apart", features), DSP, blocks8.applies, sparse=True, tied=True, shared=FILES,
    overlap=blocks8.overlap,
)  # fmt: skip
