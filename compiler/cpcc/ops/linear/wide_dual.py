"""Fully connected layer with int16 activations for the DSP extension: two rows at a time."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.wide_pairs import fits, groups, pair_words
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.wide import DUAL_FILES


def pack(node: Node, graph: Graph) -> Packed:
    weight, output = node.params.weight, node.params.output
    rows, inputs = weight.shape
    return Packed(
        {
            "in_features": inputs,
            "out_features": rows,
            "groups": groups(inputs),
            "weights": pair_words(weight),
            **output.fields(),
        },
        scratch_bytes=8 * groups(inputs) if inputs % 4 else 0,
    )


def applies(node: Node, graph: Graph) -> bool:
    return fits(node.params.output, node.params.weight)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, inputs = node.params.weight.shape
    pairs = -(-rows // 2)
    return 1.0, pairs, pairs * groups(inputs), inputs * (inputs % 4 > 0)


KERNEL = Kernel(
    "linear_wide_dual",
    pack,
    fitted("linear_wide_dual", features),
    DSP,
    applies,
    wide=True,
    shared=DUAL_FILES,
)
