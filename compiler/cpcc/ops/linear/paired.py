"""Dense fully connected layer for the DSP extension: four weights in one word."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.crossed import GROUP, crossable, crossed_stream
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.rounding import is_tflite, rounding_of

FILES = (
    *STREAM_FILES, "kernels/cpcc_crossed.h", "kernels/cpcc_rows4.h", "kernels/cpcc_rows4_asm.h", "kernels/cpcc_rows4.c",
    "kernels/cpcc_saturate.h",
)  # fmt: skip


def packed(node: Node, blocks: int, scratch_bytes: int) -> Packed:
    """The layer with its rows filled up to `blocks` of four inputs."""
    weight, output = node.params.weight, node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        "blocks": blocks, "out_features": len(weight), "stream": crossed_stream(weight, rounding, 4 * blocks),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, scratch_bytes)


def pack(node: Node, graph: Graph) -> Packed:
    blocks = -(-node.params.weight.shape[1] // 4)
    return packed(node, blocks, 8 * blocks)


def applies(node: Node, graph: Graph) -> bool:
    return crossable(node.params.weight) and rounding_of(node.params.output, node.params.weight) is not None


def features_of(node: Node, blocks: int) -> tuple[float, ...]:
    rows = len(node.params.weight)
    groups, tail = rows // GROUP, rows % GROUP
    return 1.0, blocks, groups, groups * blocks, groups * is_tflite(node.params.output), tail, tail * blocks


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return features_of(node, -(-node.params.weight.shape[1] // 4))


def overlap(node: Node, graph: Graph) -> Overlap:
    """The input is widened, front to back, before the first output is written."""
    return Overlap(output=0, scratch=4 * -(-node.params.weight.shape[1] // 4))


KERNEL = Kernel("linear_paired", pack, fitted("linear_paired", features), DSP, applies, shared=FILES, overlap=overlap)
