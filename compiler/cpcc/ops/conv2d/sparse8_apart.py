"""As `sparse8`, the constants apart from the entries: for layers with the same weights between tensors of other types."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import rounding_of
from cpcc.formats.sparse8 import streams_apart
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.conv2d import sparse8, tiles8

FILES = (*sparse8.COMMON, "kernels/cpcc_sparse8_apart.c")


def pack(node: Node, graph: Graph) -> Packed:
    of = tiles8.tiling(node, graph, sparse8.LAYOUT)
    rounding, channels = rounding_of(node.params.output, of.matrix), of.weight.shape[3]
    assert rounding is not None
    stream, constants = streams_apart(of.matrix, of.offsets, rounding)
    return tiles8.with_constants(tiles8.pack(node, of, stream, channels // 4, channels % 4), constants)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    """Those of `sparse8`, where every channel varies."""
    own = sparse8.features_of(node, graph, np.zeros(len(node.params.weight), bool))
    return (*own[:7], *own[8:])


KERNEL = Kernel(
    "conv2d_sparse8_apart", pack, fitted("conv2d_sparse8_apart", features), DSP, sparse8.applies, sparse=True, tied=True, shared=FILES,
    overlap=sparse8.overlap,
)  # fmt: skip
