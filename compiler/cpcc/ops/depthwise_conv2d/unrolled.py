"""Sparse depthwise convolution as a program of its own, for the DSP extension: two instructions for each product, nothing copied but
padded rows."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Node
from cpcc.ops import row_program
from cpcc.ops.base import DSP, Kernel, Overlap, Packed
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.depthwise_conv2d.window import overlap_by_rows, window_of
from cpcc.ops.requantized import clamped_outputs
from cpcc.ops.row_program import RowLayer

MOST_NONZERO = 0.75


def layer_of(node: Node, graph: Graph) -> RowLayer:
    window, channels = window_of(node, graph), node.params.weight.shape[2]
    left, width, right = (window.fields[f"window.{key}"] for key in ("left", "in_w", "right"))
    rows = np.arange(window.kernel_h)[:, None] * (left + width + right)
    taps = channels * (rows + np.arange(window.kernel_w)).reshape(-1)
    places = np.arange(channels)[:, None] + taps
    return RowLayer(window.fields, window.kernel_h, per_channel(node), places, node.params.output)


def pack(node: Node, graph: Graph) -> Packed:
    return row_program.pack(layer_of(node, graph))


def applies(node: Node, graph: Graph) -> bool:
    """Of pruned layers: a dense one would win a few cycles for ten times the flash of its weights."""
    weight = node.params.weight
    return np.count_nonzero(weight) <= MOST_NONZERO * weight.size and row_program.applies(layer_of(node, graph))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return (*row_program.features(layer_of(node, graph)), clamped_outputs(node, graph))


def overlap(node: Node, graph: Graph) -> Overlap:
    return overlap_by_rows(node, graph, kept=True)


KERNEL = Kernel(
    "depthwise_unrolled",
    pack,
    fitted("depthwise_unrolled", features),
    DSP,
    applies,
    sparse=True,
    program=True,
    shared=row_program.FILES,
    overlap=overlap,
)
