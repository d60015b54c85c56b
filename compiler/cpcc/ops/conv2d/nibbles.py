"""Convolution whose weights have few levels, in portable C: half a byte for each weight."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.nibbles import dense_bytes, few_levels
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Overlap, Packed, Value
from cpcc.ops.conv2d.geometry import geometry, pad_overlap, pad_work, strip_bytes

FILES = ("include/cpcc_nibbles.h", "include/cpcc_dsp.h", "include/cpcc_pad.h", "kernels/cpcc_pad.c")
PIXELS = 4


def pack(node: Node, graph: Graph) -> Packed:
    output, levels = node.params.output, few_levels(node.params.matrix)
    assert levels is not None
    out, kh, kw, channels = node.params.weight.shape
    fields: dict[str, Value] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "multiples": dense_bytes(levels.multiples.reshape(out, kh, kw * channels)), "steps": levels.steps, **output.fields(),
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, kh, 1), output.entry)


def applies(node: Node, graph: Graph) -> bool:
    return few_levels(node.params.matrix) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    out, kh, kw, channels = node.params.weight.shape
    height, width, _ = graph.output_tensor(node).shape
    fours = height * -(-width // PIXELS)
    rows, tflite = fours * out * kh, is_tflite(node.params.output)
    pairs, odd = divmod(kw * channels, 2)
    return (
        1.0,
        height,
        fours,
        fours * out,
        fours * out * tflite,
        rows,
        rows * pairs,
        rows * odd,
        *pad_work(node, graph, kh),
    )


def overlap(node: Node, graph: Graph) -> Overlap:
    """Four pixels are written channel by channel while they are read."""
    return pad_overlap(node, graph, node.params.weight.shape[1], block=1, ahead=PIXELS)


KERNEL = Kernel(
    "conv2d_nibbles", pack, fitted("conv2d_nibbles", features), applies=applies, shared=FILES, overlap=overlap
)
