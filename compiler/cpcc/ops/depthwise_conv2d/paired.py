"""Depthwise 3x3 convolution at stride 1 for the DSP extension, on pairs of rows."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.depthwise import channel_constants, paired_stream
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, apart_fields, rounding_kind
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import geometry
from cpcc.ops.depthwise_conv2d import quad
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.requantized import clamped_outputs

PAIRS_BYTES = 2048  # of scratch, unless two strips need more

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_rows2.h", "kernels/cpcc_rows2.c")


def strips_held(node: Node, graph: Graph) -> tuple[int, int]:
    """(strips held at a time, padded columns): weights are loaded once for all strips held."""
    rows, width, _ = graph.output_tensor(node).shape
    columns = width + 2
    return max(1, min((rows + 1) // 2, PAIRS_BYTES // (32 * columns) - 1)), columns


def pack(node: Node, graph: Graph) -> Packed:
    strips, columns = strips_held(node, graph)
    output, weight = node.params.output, per_channel(node)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "strips": strips, **apart_fields(output, weight, paired_stream, channel_constants),
    }  # fmt: skip
    return Packed(fields, 32 * columns * (strips + 1))


def applies(node: Node, graph: Graph) -> bool:
    return node.params.weight.shape[:2] == (3, 3) and node.params.stride == (1, 1) and quad.applies(node, graph)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    out_h, out_w, channels = graph.output_tensor(node).shape
    groups, all_strips = -(-channels // 4), -(-out_h // 2)
    held = strips_held(node, graph)[0]
    strips, chunks = groups * all_strips, groups * -(-all_strips // held)
    kind = rounding_kind(node.params.output, per_channel(node))
    twos, ones = strips * (out_w // 2), strips * (out_w % 2)
    return (
        groups, chunks, strips, twos, ones, (twos + ones) * (kind == TFLITE), (twos + ones) * (kind == TFLITE_RELU),
        (strips + groups) * out_w, chunks * out_w * (held > 1), clamped_outputs(node, graph),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """Four channels of the image after four others, each pair of rows read before a row of the pair or below is
    written: in place where output and input have one shape and no channel is computed twice."""
    out, top = graph.output_tensor(node).shape, node.params.padding[0]
    same = graph.tensors[node.inputs[0]].shape == out
    return Overlap(in_place=same and out[2] % 4 == 0 and top <= 2)


KERNEL = Kernel(
    "depthwise_paired", pack, fitted("depthwise_paired", features), DSP, applies, shared=FILES, overlap=overlap
)
