"""Depthwise convolution for cores without SIMD: four channels of two pixels at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import narrow
from cpcc.formats.depthwise import groups_of_four
from cpcc.formats.rounding import ONCE, TFLITE, TFLITE_RELU, Rounding, output_fields, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import ROUND_ROW_FILES, SCALAR, STREAM_FILES, Kernel, Packed
from cpcc.ops.conv2d.geometry import geometry, is_line, laid_down, padded_scratch, strip_bytes
from cpcc.ops.depthwise_conv2d import quad
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.requantized import clamped_outputs

FILES = (*STREAM_FILES, *ROUND_ROW_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c",
         "kernels/cpcc_twin.h")  # fmt: skip


def lanes(weight: np.ndarray) -> np.ndarray:
    """int32 words of int8 `weight` (channels, taps), four channels of a tap in each."""
    groups = groups_of_four(len(weight))
    return np.ascontiguousarray(weight[groups].transpose(0, 2, 1)).view(np.int32).ravel()


def lane_constants(rounding: Rounding) -> np.ndarray:
    """int32: for each group of four its biases and its channels' other constants."""
    groups = groups_of_four(len(rounding.bias))
    words = rounding.words[groups].reshape(len(groups), -1)
    return narrow(np.concatenate([rounding.bias[groups], words], axis=1), np.int32).ravel()


def _lies(node: Node, graph: Graph) -> bool:
    """A column of pixels is taken as a row: the two pixels of a pair then lie below each other."""
    return is_line(node, graph) and node.params.weight.shape[0] <= quad.TAPS


def _strip(node: Node, graph: Graph) -> int:
    """Bytes of the padded rows under one output row."""
    if not _lies(node, graph) or not any(node.params.padding):
        return strip_bytes(node, graph, node.params.weight.shape[0], outputs=1)
    return padded_scratch(node, graph)


def pack(node: Node, graph: Graph) -> Packed:
    weight, output = per_channel(node), node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    own: dict[str, int | np.ndarray] = {
        "weights": lanes(weight), "constants": lane_constants(rounding), **output_fields(output, rounding.kind),
    }  # fmt: skip
    return pack_as(node, graph, own)


def pack_as(node: Node, graph: Graph, own: Mapping[str, int | np.ndarray]) -> Packed:
    """For a kernel of two pixels at a time; `own` are the fields of its weights, constants and limits."""
    kh, fields = node.params.weight.shape[0], geometry(node, graph)
    if _lies(node, graph):
        kh, fields = 1, laid_down(fields)
    runs, taps = quad.runs_and_taps(node)
    fields |= {"kernel_h": kh, "runs": runs, "taps": taps, **own}
    return Packed(fields, _strip(node, graph))


def work(node: Node, graph: Graph) -> tuple[float, ...]:
    """Features of a kernel of two pixels at a time, clamping apart."""
    out_h, out_w, channels = graph.output_tensor(node).shape
    out_h, out_w = (1, out_h) if _lies(node, graph) else (out_h, out_w)
    runs, taps = quad.runs_and_taps(node)
    pairs = out_h * -(-out_w // 2)
    quads = pairs * -(-channels // 4)
    copied = out_h * _strip(node, graph)
    kind = rounding_kind(node.params.output, per_channel(node))
    rounded = quads * (kind == TFLITE), quads * (kind == TFLITE_RELU)
    single = out_h * out_w * -(-channels // 4)  # the Cortex-M0+ computes a last pixel alone, others twice
    alone = single, single * runs, single * runs * taps, single * (kind != ONCE)
    return quads, quads * runs, quads * runs * taps, *rounded, *alone, copied, pairs, pairs * (channels % 4 > 0), out_h


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return (*work(node, graph), clamped_outputs(node, graph))


KERNEL = Kernel("depthwise_twin", pack, fitted("depthwise_twin", features), SCALAR, quad.applies, shared=FILES)
