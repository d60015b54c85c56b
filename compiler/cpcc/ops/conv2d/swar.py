"""Dense convolution for cores without SIMD: two pixels in a word, a tile of 4 channels by 4 pixels."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, output_fields, rounding_kind, rounding_of
from cpcc.formats.swar import FOUR, Tile, group_chunks, swar_stream
from cpcc.graph import Graph, Node
from cpcc.ops.base import ARMV7M, STREAM_FILES, Kernel, Packed
from cpcc.ops.conv2d.geometry import flattened, image, strip_bytes
from cpcc.ops.requantized import clamped_outputs

PIXELS = 4  # of a tile

FILES = (
    *STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c",
    "kernels/cpcc_swar.h", "kernels/cpcc_swar.c", "kernels/cpcc_swar_conv.h", "kernels/cpcc_swar_conv.c",
)  # fmt: skip


def strip_rows(node: Node, graph: Graph) -> int:
    """Output rows computed from one strip: all where no copy is needed, else the fewest that fill whole tiles."""
    height, width = image(node, graph)
    if not any(node.params.padding):
        return height
    return min(height, PIXELS // int(np.gcd(PIXELS, width)))


def pack(node: Node, graph: Graph) -> Packed:
    return pack_for(FOUR, node, graph)


def pack_for(tile: Tile, node: Node, graph: Graph) -> Packed:
    """For a kernel on `tile`."""
    out, kh, kw, _ = node.params.weight.shape
    output, rows = node.params.output, strip_rows(node, graph)
    rounding = rounding_of(output, node.params.matrix)
    assert rounding is not None
    weights, constants = swar_stream(node.params.matrix, rounding, tile)
    fields: dict[str, int | np.ndarray] = {
        **flattened(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out, "strip_rows": rows,
        "weights": weights, "constants": constants,
        **output_fields(output, rounding.kind),
    }  # fmt: skip
    inputs = node.params.matrix.shape[1]
    return Packed(fields, 8 * inputs + PIXELS * -(-out // tile.group) * tile.group + strip_bytes(node, graph, kh, rows))


def applies(node: Node, graph: Graph) -> bool:
    return rounding_of(node.params.output, node.params.matrix) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return features_for(FOUR, node, graph)


def features_for(tile: Tile, node: Node, graph: Graph) -> tuple[float, ...]:
    height, width = image(node, graph)
    out, kh, kw, channels = node.params.weight.shape
    rows, run = strip_rows(node, graph), kw * channels
    strips, last = divmod(height, rows)
    tiles = strips * -(-rows * width // PIXELS) + -(-last * width // PIXELS)
    cuts = group_chunks(node.params.matrix, tile)
    kind = rounding_kind(node.params.output, node.params.matrix)
    spare = tiles if out % tile.group else tiles - strips * (rows * width // PIXELS) - last * width // PIXELS
    copied = -(-height // rows) * strip_bytes(node, graph, kh, rows)
    groups = len(cuts)
    return (
        1.0, tiles, tiles * groups, tiles * groups * (kind == TFLITE), tiles * groups * (kind == TFLITE_RELU),
        tiles * sum(map(len, cuts)), tiles * groups * kh * run, tiles * kh, tiles * kh * (run // 4),
        tiles * kh * (run % 4), copied, PIXELS * spare * out, height,
        clamped_outputs(node, graph),
    )  # fmt: skip


KERNEL = Kernel("conv2d_swar", pack, fitted("conv2d_swar", features), ARMV7M, applies, shared=FILES)
