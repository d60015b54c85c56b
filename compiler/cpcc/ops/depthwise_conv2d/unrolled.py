"""Sparse depthwise convolution as a program of its own, for the DSP extension: two instructions for each product, nothing copied but
padded rows."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Node
from cpcc.ops import row_program
from cpcc.ops.base import DSP, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import is_line, laid_down, sizes
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.overlap import strip_lag
from cpcc.ops.row_program import RowLayer


def layer_of(node: Node, graph: Graph) -> RowLayer:
    """A column of pixels is taken as a row: fewer rows to begin."""
    (kh, kw, channels), window = node.params.weight.shape, sizes(node, graph)
    if is_line(node, graph):
        kh, kw, window = 1, kh, laid_down(window)
    pitch = (window["window.left"] + window["window.in_w"] + window["window.right"]) * channels
    taps = (np.arange(kh)[:, None] * pitch + np.arange(kw) * channels).reshape(-1)
    places = np.arange(channels)[:, None] + taps
    return RowLayer(window, kh, per_channel(node), places, node.params.output)


def pack(node: Node, graph: Graph) -> Packed:
    return row_program.pack(layer_of(node, graph))


def applies(node: Node, graph: Graph) -> bool:
    return row_program.applies(layer_of(node, graph))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return row_program.features(layer_of(node, graph))


def overlap(node: Node, graph: Graph) -> Overlap:
    """A row is written channel by channel; padded rows are copied into the strip before that. Where nothing is padded, no output
    pixel of a channel lies farther on than the inputs that its later pixels read: in place."""
    if not any(node.params.padding):
        return Overlap(in_place=True)
    if is_line(node, graph):  # copied as a whole
        return Overlap(output=0)
    return Overlap(output=strip_lag(node, graph, node.params.weight.shape[0], 1))


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
