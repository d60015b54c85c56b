"""Depthwise convolution along one axis at stride 1 for the DSP extension: two taps an instruction, four outputs at a time."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.depthwise import channel_constants, column_steps, steps_stream
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, apart_fields, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.requantized import clamped_outputs

STEPS = 16  # of the assembly

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h")


def _axis(node: Node) -> int:
    """Along which the kernel lies."""
    return 0 if node.params.weight.shape[0] > 1 else 1


def _pairs(node: Node, graph: Graph) -> int:
    """Words of a channel: up to four outputs more than there are, of two inputs each."""
    outputs = graph.output_tensor(node).shape[_axis(node)]
    return 2 * -(-outputs // 4) - 1 + column_steps(per_channel(node).shape[1])


def pack(node: Node, graph: Graph) -> Packed:
    axis, shape, out = _axis(node), graph.tensors[node.inputs[0]].shape, graph.output_tensor(node).shape
    output, weight, channels = node.params.output, per_channel(node), shape[2]
    along, across = (shape[1] * channels, channels) if axis == 0 else (channels, shape[1] * channels)
    out_across = channels if axis == 0 else out[1] * channels
    fields: dict[str, int | np.ndarray] = {
        "channels": channels, "lines": shape[1 - axis], "line": across, "out_line": out_across,
        "inputs": shape[axis], "outputs": out[axis], "pitch": along,
        "before": node.params.padding[2 * axis], "pad_value": node.params.pad_value,
        "steps": column_steps(weight.shape[1]), "pairs": _pairs(node, graph),
        **apart_fields(output, weight, steps_stream, channel_constants),
    }  # fmt: skip
    return Packed(fields, 16 * _pairs(node, graph))


def applies(node: Node, graph: Graph) -> bool:
    kh, kw, channels = node.params.weight.shape
    axis = _axis(node)
    before, after = node.params.padding[2 * (1 - axis) : 2 * (1 - axis) + 2]
    if channels < 4 or min(kh, kw) > 1 or max(kh, kw) < 2 or column_steps(max(kh, kw)) > STEPS:
        return False
    if before or after or node.params.stride != (1, 1):
        return False
    return rounding_of(node.params.output, per_channel(node)) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    axis, out, weight = _axis(node), graph.output_tensor(node).shape, per_channel(node)
    groups = -(-out[2] // 4) * out[1 - axis]
    blocks, steps = 4 * groups * -(-out[axis] // 4), column_steps(weight.shape[1])
    kind, pairs = rounding_kind(node.params.output, weight), _pairs(node, graph)
    inputs, before = graph.tensors[node.inputs[0]].shape[axis], node.params.padding[2 * axis]
    whole = max(0, (inputs - before % 2) // 2)  # of whole pairs of inputs
    apart = pairs - min(whole, pairs)
    return (
        out[1 - axis], groups, groups * pairs, groups * apart, blocks, blocks * steps, blocks * (kind == TFLITE),
        blocks * (kind == TFLITE_RELU), 4 * groups * (out[axis] % 4 > 0), clamped_outputs(node, graph),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """Four channels of a line after four others, which are read whole before one output is written, over inputs of the same
    channels: in place where the line grows no longer and no channel is computed twice."""
    out, axis = graph.output_tensor(node).shape, _axis(node)
    return Overlap(in_place=out[axis] <= graph.tensors[node.inputs[0]].shape[axis] and out[2] % 4 == 0)


KERNEL = Kernel(
    "depthwise_column", pack, fitted("depthwise_column", features), DSP, applies, shared=FILES, overlap=overlap
)
