"""Dense convolution in portable C."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import geometry, padded_scratch, pixels
from cpcc.ops.overlap import conv_lag


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "weights": node.params.weight, **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, padded_scratch(node, graph), node.params.output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    fours, ones = pixels(node, graph)
    out, kh, macs = len(node.params.weight), node.params.weight.shape[1], node.params.weight.size
    outputs, tflite = graph.output_tensor(node).size, is_tflite(node.params.output)
    return (fours * out, fours * out * kh, fours * macs, ones * out, ones * out * kh, ones * macs, padded_scratch(node, graph),
            outputs * tflite, ones * macs * tflite)  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """A padded input is copied as a whole first; else four pixels are written channel by channel while they are read."""
    return Overlap(output=0 if any(node.params.padding) else conv_lag(node, graph, block=1, ahead=4))


KERNEL = Kernel("conv2d_dense", pack, fitted("conv2d_dense", features), overlap=overlap)
