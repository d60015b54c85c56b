"""As `paired`, the constants apart from the weights: for layers with the same weights between tensors of other types."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.paired import group_streams_apart, pairable
from cpcc.formats.rounding import ONCE, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.conv2d import paired
from cpcc.ops.conv2d.geometry import flattened

BEHIND = 7  # CPCC_TILE_APART_BEHIND
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
        "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, paired.scratch_bytes(node, graph, BEHIND))


def applies(node: Node, graph: Graph) -> bool:
    rounding = rounding_of(node.params.output, node.params.matrix)
    return pairable(node.params.matrix) and rounding is not None and rounding.kind == ONCE


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    """Those of `paired` with one rounding."""
    own = paired.features(node, graph)
    return (*own[:3], *own[5:])


KERNEL = Kernel(
    "conv2d_paired_apart", pack, fitted("conv2d_paired_apart", features), DSP, applies, tied=True, shared=FILES,
    overlap=paired.overlap,
)  # fmt: skip
