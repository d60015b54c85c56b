"""Dense convolution in portable C."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import geometry, pad_overlap, pad_work, pixels, strip_bytes


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "weights": node.params.weight, **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, kh, 1), node.params.output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    fours, ones = pixels(node, graph)
    out, kh, macs = len(node.params.weight), node.params.weight.shape[1], node.params.weight.size
    outputs, tflite = graph.output_tensor(node).size, is_tflite(node.params.output)
    return (fours * out, fours * out * kh, fours * macs, ones * out, ones * out * kh, ones * macs, *pad_work(node, graph, kh),
            outputs * tflite, ones * macs * tflite)  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """Four pixels are written channel by channel while they are read."""
    return pad_overlap(node, graph, node.params.weight.shape[1], block=1, ahead=4)


KERNEL = Kernel("conv2d_dense", pack, fitted("conv2d_dense", features), overlap=overlap)
