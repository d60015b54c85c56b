"""Dense fully connected layer for the DSP extension: four weights in one word."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.crossed import GROUP, crossable, crossed_stream
from cpcc.formats.rounding import is_tflite, output_fields, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.requantized import clamped_outputs

FILES = (
    *STREAM_FILES, "kernels/cpcc_crossed.h", "kernels/cpcc_rows4.h", "kernels/cpcc_rows4_asm.h", "kernels/cpcc_rows4.c",
    "kernels/cpcc_saturate.h",
)  # fmt: skip


def blocks_of(node: Node) -> int:
    """Of four inputs, an even number."""
    return 2 * -(-int(node.params.weight.shape[1]) // 8)


def packed(node: Node, scratch_bytes: int) -> Packed:
    """The layer with its rows filled up to whole pairs of blocks."""
    blocks = blocks_of(node)
    weight, output = node.params.weight, node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        "blocks": blocks, "out_features": len(weight), "stream": crossed_stream(weight, rounding, 4 * blocks),
        **output_fields(output, rounding.kind),
    }  # fmt: skip
    return Packed(fields, scratch_bytes)


def pack(node: Node, graph: Graph) -> Packed:
    return packed(node, 8 * blocks_of(node))


def applies(node: Node, graph: Graph) -> bool:
    return crossable(node.params.weight) and rounding_of(node.params.output, node.params.weight) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, blocks = len(node.params.weight), blocks_of(node)
    groups, tail = rows // GROUP, rows % GROUP
    return (
        1.0,
        blocks,
        groups,
        groups * blocks,
        groups * is_tflite(node.params.output),
        tail,
        tail * blocks,
        clamped_outputs(node, graph),
    )


def overlap(node: Node, graph: Graph) -> Overlap:
    """The input is widened, front to back, before the first output is written."""
    return Overlap(output=0, scratch=4 * blocks_of(node))


KERNEL = Kernel("linear_paired", pack, fitted("linear_paired", features), DSP, applies, shared=FILES, overlap=overlap)
