"""Depthwise convolution in portable C."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import geometry, pad_overlap, pad_work, strip_bytes


def pack(node: Node, graph: Graph) -> Packed:
    kh, kw, _ = node.params.weight.shape
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw,
        "weights": node.params.weight, **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, kh, 1), node.params.output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    outputs, (kh, kw, _) = graph.output_tensor(node).size, node.params.weight.shape
    return outputs, outputs * kh, outputs * kh * kw, *pad_work(node, graph, kh), outputs * is_tflite(node.params.output)


def overlap(node: Node, graph: Graph) -> Overlap:
    """Pixel by pixel."""
    return pad_overlap(node, graph, node.params.weight.shape[0], block=1, ahead=1)


KERNEL = Kernel("depthwise_conv2d", pack, fitted("depthwise_conv2d", features), overlap=overlap)
