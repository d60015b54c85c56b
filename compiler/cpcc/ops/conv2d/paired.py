"""Dense convolution for the DSP extension: two rows of weights in one word, a tile of 4 channels by 2 pixels."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.paired import GROUP, group_stream, pairable, widened_order
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, output_fields, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import flattened, image, strip_bytes
from cpcc.ops.overlap import conv_lag, strip_lag
from cpcc.ops.requantized import clamped_outputs

TILE_BODY = 32  # steps that the assembly of cpcc_tile4x2 unrolls
BEHIND = 5  # CPCC_TILE_BEHIND: words behind the patches that belong to the tile

FILES = (
    *STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c",
    "kernels/cpcc_tile4x2.h", "kernels/cpcc_tile4x2_asm.h", "kernels/cpcc_tile4x2.c", "kernels/cpcc_conv2d_pairs.h",
    "kernels/cpcc_widen2.h", "kernels/cpcc_widen2.c",
)  # fmt: skip


def order_of(node: Node) -> np.ndarray:
    _, kh, kw, channels = node.params.weight.shape
    return widened_order(kh, kw * channels)


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    output, order = node.params.output, order_of(node)
    rounding = rounding_of(output, node.params.matrix)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        **flattened(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "steps": len(order), "stream": group_stream(node.params.matrix, rounding, order),
        **output_fields(output, rounding.kind),
    }  # fmt: skip
    return Packed(fields, scratch_bytes(node, graph, BEHIND))


def scratch_bytes(node: Node, graph: Graph, behind: int) -> int:
    """With `behind` words of the tile behind its patches."""
    rows = 1 + graph.output_tensor(node).shape[1] % 2
    return 4 * (1 + 2 * len(order_of(node)) + behind) + 8 + strip_bytes(node, graph, node.params.weight.shape[1], rows)


def applies(node: Node, graph: Graph) -> bool:
    return pairable(node.params.matrix) and rounding_of(node.params.output, node.params.matrix) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    height, width = image(node, graph)
    out, kh, kw, channels = node.params.weight.shape
    pairs, steps = (height * width + 1) // 2, len(order_of(node))
    groups, run, kind = -(-out // GROUP), kw * channels, rounding_kind(node.params.output, node.params.matrix)
    passes = (steps - 2) // TILE_BODY + 1 if steps - 1 >= TILE_BODY else 0
    nine, ragged = kh == 3 and run == 9, run % 4 > 0
    words = 0 if nine else pairs * kh
    copied = -(-height // (1 + width % 2)) * strip_bytes(node, graph, kh, 1 + width % 2)
    return (
        1.0, pairs, pairs * groups, pairs * groups * (kind == TFLITE), pairs * groups * (kind == TFLITE_RELU),
        pairs * groups * steps, pairs * groups * passes, words * (run // 4), words * (run >= 4),
        pairs * (ragged and not nine), words * ragged, pairs * nine, copied, pairs * (out % 4 > 0), height,
        clamped_outputs(node, graph),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """Two patches are widened before their pixels are written; padded rows are copied into the strip before that."""
    if not any(node.params.padding):
        return Overlap(output=conv_lag(node, graph, block=2, ahead=0))
    return Overlap(
        output=strip_lag(node, graph, node.params.weight.shape[1], 1 + graph.output_tensor(node).shape[1] % 2)
    )


KERNEL = Kernel("conv2d_paired", pack, fitted("conv2d_paired", features), DSP, applies, shared=FILES, overlap=overlap)
