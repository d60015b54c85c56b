"""Depthwise 3x3 convolution at stride 1 for the DSP extension, on images of few columns: two columns from top to bottom."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.depthwise import channel_constants, paired_stream
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, apart_fields, rounding_kind
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import geometry
from cpcc.ops.depthwise_conv2d import paired
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.requantized import clamped_outputs

STRIPS = 14  # of two output rows held, and a last row more
COLUMN_BYTES = 256

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h")


def _rows(node: Node, graph: Graph) -> int:
    """Output rows held at a time: all, or an even number that leaves no single row over."""
    height = graph.output_tensor(node).shape[0]
    parts = -(-height // (2 * STRIPS + 1))
    return height if parts == 1 else 2 * -(-height // (2 * parts))


def _chunks(node: Node, graph: Graph) -> list[int]:
    height, rows = graph.output_tensor(node).shape[0], _rows(node, graph)
    return [min(rows, height - at) for at in range(0, height, rows)]


def pack(node: Node, graph: Graph) -> Packed:
    output, weight = node.params.output, per_channel(node)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "rows": _rows(node, graph), **apart_fields(output, weight, paired_stream, channel_constants),
    }  # fmt: skip
    return Packed(fields, 64 + COLUMN_BYTES * (graph.output_tensor(node).shape[1] + 2))


def applies(node: Node, graph: Graph) -> bool:
    return paired.applies(node, graph) and min(_chunks(node, graph)) > 1


def _pairs_made(node: Node, graph: Graph) -> tuple[int, int]:
    """Two pairs of input rows made at a time, and single pairs, for all channels: as ``load`` in cpcc_depthwise_tall.c."""
    (height, _, channels), top = graph.tensors[node.inputs[0]].shape, node.params.padding[0]
    chunks, groups = _chunks(node, graph), -(-channels // 4)
    doubles, singles, first = 0, 0, -top
    for rows in chunks:
        at = [first + 2 * i for i in range(rows // 2 + 1 + rows % 2)]
        inside = sum(0 <= row < height - 1 for row in at)
        outside = sum(row < -1 or row >= height for row in at)
        doubles += groups * (inside // 2)
        singles += groups * (inside % 2 + len(at) - inside - outside) + outside * (groups if len(chunks) > 1 else 1)
        first += rows
    return doubles, singles


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    (_, out_w, channels), chunks = graph.output_tensor(node).shape, _chunks(node, graph)
    groups, kind = -(-channels // 4), rounding_kind(node.params.output, per_channel(node))
    strips, odd = groups * sum(-(-rows // 2) for rows in chunks), groups * sum(rows % 2 for rows in chunks)
    runs, (doubles, singles) = groups * len(chunks), _pairs_made(node, graph)
    in_w = graph.tensors[node.inputs[0]].shape[1]
    bodies = (strips * (out_w // 2), strips * (out_w % 2))
    return (
        1.0, groups, runs, runs * (out_w // 2), runs * (out_w % 2), odd * -(-out_w // 2), *bodies,
        sum(bodies) * (kind == TFLITE), sum(bodies) * (kind == TFLITE_RELU),
        doubles, doubles * in_w, singles, singles * in_w, clamped_outputs(node, graph),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """As the paired kernel, where all rows of four channels are read before one is written."""
    return paired.overlap(node, graph) if len(_chunks(node, graph)) == 1 else Overlap()


KERNEL = Kernel("depthwise_tall", pack, fitted("depthwise_tall", features), DSP, applies, shared=FILES, overlap=overlap)
