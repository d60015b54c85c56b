"""Depthwise convolution of any shape for the DSP extension: four channels at a time."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.depthwise import group_constants, quad_stream
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, apart_fields, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import geometry, strip_bytes
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.overlap import conv_lag, strip_lag
from cpcc.ops.requantized import clamped_outputs

TAPS = 12  # unrolled in the assembly

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c")


def _is_column(node: Node) -> bool:
    kh, kw, _ = node.params.weight.shape
    return bool(kw == 1 and 1 < kh <= TAPS)


def runs_and_taps(node: Node) -> tuple[int, int]:
    """Runs of the kernel, and the taps of one: a column is a single run."""
    kh, kw, _ = node.params.weight.shape
    return (1, kh) if _is_column(node) else (kh, kw)


def pack(node: Node, graph: Graph) -> Packed:
    kh = node.params.weight.shape[0]
    output, weight = node.params.output, per_channel(node)
    runs, taps = runs_and_taps(node)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "runs": runs, "taps": taps,
        **apart_fields(output, weight, quad_stream, group_constants),
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, kh, outputs=1))


def applies(node: Node, graph: Graph) -> bool:
    _, kw, channels = node.params.weight.shape
    return channels >= 4 and kw <= TAPS and rounding_of(node.params.output, per_channel(node)) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    out_h, out_w, channels = graph.output_tensor(node).shape
    kh = node.params.weight.shape[0]
    runs, taps = runs_and_taps(node)
    quads = out_h * out_w * -(-channels // 4)
    copied = out_h * strip_bytes(node, graph, kh, 1)
    kind = rounding_kind(node.params.output, per_channel(node))
    rounded = quads * (kind == TFLITE), quads * (kind == TFLITE_RELU)
    return (
        quads,
        quads * runs,
        quads * runs * taps,
        *rounded,
        copied,
        out_h * out_w,
        out_h,
        clamped_outputs(node, graph),
    )


def overlap(node: Node, graph: Graph) -> Overlap:
    """Pixel by pixel; padded rows are copied into the strip before one row is written."""
    if not any(node.params.padding):
        return Overlap(output=conv_lag(node, graph, block=1, ahead=1))
    return Overlap(output=strip_lag(node, graph, node.params.weight.shape[0], 1))


KERNEL = Kernel("depthwise_quad", pack, fitted("depthwise_quad", features), DSP, applies, shared=FILES, overlap=overlap)
