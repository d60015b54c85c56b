"""Convolution with int16 activations for the DSP extension: two channels of two pixels at a time."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.wide_pairs import fits, groups, pair_words
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.conv2d.geometry import geometry, padded_scratch
from cpcc.ops.wide import DUAL_FILES, PADDED_FILES


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    matrix = node.params.matrix
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "groups": groups(matrix.shape[1]), "weights": pair_words(matrix), **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, 16 * groups(matrix.shape[1]) + 2 * padded_scratch(node, graph))


def applies(node: Node, graph: Graph) -> bool:
    return fits(node.params.output, node.params.matrix)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    out_h, out_w, out = graph.output_tensor(node).shape
    twos, ones, pairs = out_h * (out_w // 2), out_h * (out_w % 2), -(-out // 2)
    kernel_h, inputs = node.params.weight.shape[1], node.params.matrix.shape[1]
    copied = out_h * out_w
    return (
        1.0, float(out_h), twos + ones, (twos + ones) * pairs, (twos + ones) * pairs * groups(inputs),
        copied * kernel_h, copied * inputs, copied * kernel_h * (inputs // kernel_h % 2), padded_scratch(node, graph),
    )  # fmt: skip


KERNEL = Kernel(
    "conv2d_wide_dual",
    pack,
    fitted("conv2d_wide_dual", features),
    DSP,
    applies,
    wide=True,
    shared=(*PADDED_FILES, *DUAL_FILES[1:]),
)
