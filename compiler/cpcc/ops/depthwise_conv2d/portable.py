"""Depthwise convolution in portable C."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import geometry
from cpcc.ops.overlap import conv_lag
from cpcc.ops.windows import padded_bytes


def pack(node: Node, graph: Graph) -> Packed:
    kh, kw, _ = node.params.weight.shape
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw,
        "weights": node.params.weight, **node.params.output.fields(),
    }  # fmt: skip
    scratch = padded_bytes(graph.tensors[node.inputs[0]].shape, node.params.padding)
    return Packed(fields, scratch, node.params.output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    outputs, (kh, kw, _) = graph.output_tensor(node).size, node.params.weight.shape
    padded = padded_bytes(graph.tensors[node.inputs[0]].shape, node.params.padding)
    return outputs, outputs * kh, outputs * kh * kw, padded, outputs * is_tflite(node.params.output)


def overlap(node: Node, graph: Graph) -> Overlap:
    """A padded input is copied as a whole first."""
    return Overlap(output=0 if any(node.params.padding) else conv_lag(node, graph, block=1, ahead=1))


KERNEL = Kernel("depthwise_conv2d", pack, fitted("depthwise_conv2d", features), overlap=overlap)
