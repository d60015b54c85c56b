"""Depthwise 3x3 convolution at stride 2 for the DSP extension, on pairs of rows."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.depthwise import channel_constants, stride2_stream
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, apart_fields, rounding_kind
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Packed
from cpcc.ops.conv2d.geometry import geometry
from cpcc.ops.depthwise_conv2d import quad
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.requantized import clamped_outputs

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h")


def pack(node: Node, graph: Graph) -> Packed:
    output, weight = node.params.output, per_channel(node)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), **apart_fields(output, weight, stride2_stream, channel_constants),
    }  # fmt: skip
    return Packed(fields, 64 * (graph.output_tensor(node).shape[1] + 1))


def applies(node: Node, graph: Graph) -> bool:
    return node.params.weight.shape[:2] == (3, 3) and node.params.stride == (2, 2) and quad.applies(node, graph)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    (out_h, out_w, channels), in_w = graph.output_tensor(node).shape, graph.tensors[node.inputs[0]].shape[1]
    left, kind = node.params.padding[2], rounding_kind(node.params.output, per_channel(node))
    groups, behind = -(-channels // 4), left + in_w
    rows, made = groups * out_h, groups * (out_h + 1)
    wide = max(min(behind // 2, out_w + 1) - (left + 1) // 2, 0)
    single = (left % 2 and left // 2 <= out_w) + (behind % 2 and behind // 2 <= out_w)
    outputs = rows * out_w
    return (
        1.0, groups, rows, rows * (out_w // 4), rows * (out_w % 4 > 0), rows * (out_w % 4),
        outputs * (kind == TFLITE), outputs * (kind == TFLITE_RELU), made, made * wide, made * single, clamped_outputs(node, graph),
    )  # fmt: skip


KERNEL = Kernel("depthwise_stride2", pack, fitted("depthwise_stride2", features), DSP, applies, shared=FILES)
