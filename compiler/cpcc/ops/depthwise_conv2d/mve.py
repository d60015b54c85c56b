"""Depthwise convolution for Helium: four channels of two pixels at a time, in 32-bit lanes."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import narrow
from cpcc.formats.depthwise import groups_of_four
from cpcc.formats.helium import vectors
from cpcc.formats.rounding import Rounding
from cpcc.graph import Graph, Node
from cpcc.ops.base import MVE, MVE_FILES, Kernel, Packed
from cpcc.ops.depthwise_conv2d import quad, twin

FILES = (*MVE_FILES, "kernels/cpcc_strip.h", "kernels/cpcc_strip.c", "kernels/cpcc_twin.h")


def depthwise_stream(weight: np.ndarray, rounding: Rounding) -> np.ndarray:
    """int32 stream of int8 `weight` (channels, taps) for ``cpcc_depthwise_mve``."""
    groups = groups_of_four(len(weight))
    words = np.ascontiguousarray(weight[groups].transpose(0, 2, 1)).view(np.int32)[..., 0]
    return narrow(np.concatenate([rounding.bias[groups], words, vectors(rounding, groups)], axis=1), np.int32).ravel()


def pack(node: Node, graph: Graph) -> Packed:
    return twin.pack_as(node, graph, depthwise_stream)


KERNEL = Kernel("depthwise_mve", pack, fitted("depthwise_mve", twin.work), MVE, quad.applies, shared=FILES)
