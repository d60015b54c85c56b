"""Depthwise 3x3 convolution of any stride for the DSP extension: four channels at a time, two rows of a column in a word."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.depthwise import column_stream, group_constants
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, apart_fields, rounding_kind
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Packed
from cpcc.ops.conv2d.geometry import geometry, strip_bytes
from cpcc.ops.depthwise_conv2d import quad
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.requantized import clamped_outputs

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c")


def pack(node: Node, graph: Graph) -> Packed:
    output, weight = node.params.output, per_channel(node)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), **apart_fields(output, weight, column_stream, group_constants),
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, 3, outputs=1))


def applies(node: Node, graph: Graph) -> bool:
    return node.params.weight.shape[:2] == (3, 3) and quad.applies(node, graph)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    out_h, out_w, channels = graph.output_tensor(node).shape
    quads, copied = out_h * out_w * -(-channels // 4), out_h * strip_bytes(node, graph, 3, 1)
    kind = rounding_kind(node.params.output, per_channel(node))
    return (
        quads,
        quads * (kind == TFLITE),
        quads * (kind == TFLITE_RELU),
        copied,
        out_h * out_w,
        out_h,
        clamped_outputs(node, graph),
    )


KERNEL = Kernel(
    "depthwise_3x3", pack, fitted("depthwise_3x3", features), DSP, applies, shared=FILES, overlap=quad.overlap
)
