"""Dense convolution for Helium: sixteen products an instruction, a tile of 4 channels by 2 pixels."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.helium import LANES, VECTOR, dense_fields
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import MVE, MVE_FILES, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import flattened, image, strip_bytes
from cpcc.ops.overlap import conv_lag, strip_lag

FILES = (
    *MVE_FILES, "kernels/cpcc_strip.h", "kernels/cpcc_strip.c", "kernels/cpcc_mve4x2.h", "kernels/cpcc_mve4x2.c",
)  # fmt: skip


def copies_patches(node: Node) -> bool:
    """Whether a patch is not whole vectors that lie one behind the other."""
    _, kh, kw, channels = node.params.weight.shape
    return bool(kh > 1 or kw * channels % VECTOR)


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    matrix = node.params.matrix
    blocks, copies = -(-matrix.shape[1] // VECTOR), copies_patches(node)
    fields: dict[str, int | np.ndarray] = {
        **flattened(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "blocks": blocks, "copies": int(copies), **dense_fields(node.params.output, matrix),
    }  # fmt: skip
    return Packed(fields, 2 * VECTOR * blocks * copies + strip_bytes(node, graph, kh, 1))


def applies(node: Node, graph: Graph) -> bool:
    return rounding_of(node.params.output, node.params.matrix) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    height, width = image(node, graph)
    out, kh, kw, channels = node.params.weight.shape
    run, blocks = kw * channels, -(-node.params.matrix.shape[1] // VECTOR)
    pairs, groups = height * -(-width // 2), -(-out // LANES)
    kind = rounding_kind(node.params.output, node.params.matrix)
    copied = pairs * copies_patches(node)
    return (
        1.0, height, pairs, pairs * groups, pairs * groups * (kind == TFLITE), pairs * groups * (kind == TFLITE_RELU),
        pairs * groups * blocks, copied, copied * kh, copied * kh * -(-run // VECTOR),
        height * strip_bytes(node, graph, kh, 1),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    """Two pixels after two others, or one at a row's end: their patches are copied before one channel is written, or read again
    for each four. Padded rows are copied into the strip before."""
    if any(node.params.padding):
        return Overlap(output=strip_lag(node, graph, node.params.weight.shape[1], 1))
    return Overlap(output=conv_lag(node, graph, block=1, ahead=0 if copies_patches(node) else 2))


KERNEL = Kernel("conv2d_mve", pack, fitted("conv2d_mve", features), MVE, applies, shared=FILES, overlap=overlap)
