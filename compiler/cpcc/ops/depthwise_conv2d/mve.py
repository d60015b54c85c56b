"""Depthwise convolution for Helium: four channels of two pixels at a time, in 32-bit lanes."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.depthwise import groups_of_four
from cpcc.formats.helium import fields
from cpcc.graph import Graph, Node
from cpcc.ops.base import MVE, MVE_FILES, Kernel, Packed
from cpcc.ops.depthwise_conv2d import quad, twin
from cpcc.ops.depthwise_conv2d.semantics import per_channel

FILES = (*MVE_FILES, "kernels/cpcc_strip.h", "kernels/cpcc_strip.c", "kernels/cpcc_twin.h")


def pack(node: Node, graph: Graph) -> Packed:
    weight = per_channel(node)
    own = fields(node.params.output, weight, twin.lanes(weight), groups_of_four(len(weight)))
    return twin.pack_as(node, graph, own)


KERNEL = Kernel("depthwise_mve", pack, fitted("depthwise_mve", twin.work), MVE, quad.applies, shared=FILES)
