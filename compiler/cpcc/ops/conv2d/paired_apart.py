"""As `paired`, the constants apart from the weights: for layers with the same weights between tensors of other types."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.paired import group_streams_apart
from cpcc.formats.rounding import output_fields, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.conv2d import paired
from cpcc.ops.conv2d.geometry import flattened

BEHIND = 8  # CPCC_TILE_APART_BEHIND
FILES = (*paired.FILES, "kernels/cpcc_tile4x2_apart.h", "kernels/cpcc_tile4x2_apart.c")


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    output, order = node.params.output, paired.order_of(node)
    rounding = rounding_of(output, node.params.matrix)
    assert rounding is not None
    stream, constants = group_streams_apart(node.params.matrix, rounding, order)
    fields: dict[str, int | np.ndarray] = {
        **flattened(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "steps": len(order), "stream": stream, "constants": constants,
        **output_fields(output, rounding.kind),
    }  # fmt: skip
    return Packed(fields, paired.scratch_bytes(node, graph, BEHIND))


KERNEL = Kernel(
    "conv2d_paired_apart", pack, fitted("conv2d_paired_apart", paired.features), DSP, paired.applies, tied=True, shared=FILES,
    overlap=paired.overlap,
)  # fmt: skip
