"""Dense fully connected layer in portable C."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed


def pack(node: Node, graph: Graph) -> Packed:
    weight = node.params.weight
    return Packed(
        {
            "in_features": weight.shape[1],
            "out_features": weight.shape[0],
            "weights": weight,
            **node.params.output.fields(),
        },
        entry=node.params.output.entry,
    )


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, inputs = node.params.weight.shape
    return 1.0, rows, rows * inputs, rows * is_tflite(node.params.output)


KERNEL = Kernel("linear_dense", pack, fitted("linear_dense", features))
