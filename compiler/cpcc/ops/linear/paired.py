"""Dense fully connected layer for the DSP extension: two rows of weights in one word."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.paired import GROUP, group_stream, pair_stream, pairable, widened_order
from cpcc.rounding import is_tflite, rounding_of

FILES = (
    *STREAM_FILES,
    "kernels/cpcc_rows4.h",
    "kernels/cpcc_rows4.c",
    "kernels/cpcc_saturate.h",
    "kernels/cpcc_widen.h",
)


def pack(node: Node, graph: Graph) -> Packed:
    weight, output = node.params.weight, node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    rows, inputs = weight.shape
    blocks, whole = -(-inputs // 4), rows // GROUP * GROUP
    padded, order = np.pad(weight, ((0, 0), (0, 4 * blocks - inputs))), widened_order(1, 4 * blocks)
    groups = group_stream(padded[:whole], rounding.rows(0, whole), order)
    fields: dict[str, int | np.ndarray] = {
        "blocks": blocks, "out_features": rows,
        "stream": np.concatenate([groups, pair_stream(padded[whole:], rounding.rows(whole, rows), order)]),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, 8 * blocks)


def applies(node: Node, graph: Graph) -> bool:
    return pairable(node.params.weight) and rounding_of(node.params.output, node.params.weight) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, inputs = node.params.weight.shape
    blocks, groups, tail = -(-inputs // 4), rows // GROUP, -(-(rows % GROUP) // 2)
    tflite = is_tflite(node.params.output)
    return 1.0, blocks, groups, groups * blocks, groups * tflite, tail, tail * blocks


def overlap(node: Node, graph: Graph) -> Overlap:
    """The input is widened, front to back, before the first output is written."""
    return Overlap(output=0, scratch=4 * -(-node.params.weight.shape[1] // 4))


KERNEL = Kernel("linear_paired", pack, fitted("linear_paired", features), DSP, applies, shared=FILES, overlap=overlap)
