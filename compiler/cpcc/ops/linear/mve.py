"""Dense fully connected layer for Helium: eight rows at a time, sixteen products an instruction."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.helium import VECTOR, dense_fields
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import MVE, MVE_FILES, Kernel, Packed

GROUP = 8  # rows


def pack(node: Node, graph: Graph) -> Packed:
    weight, output = node.params.weight, node.params.output
    rows, inputs = weight.shape
    fields: dict[str, int | np.ndarray] = {
        "in_features": inputs, "out_features": rows, **dense_fields(output, weight, GROUP),
    }  # fmt: skip
    return Packed(fields, -(-inputs // VECTOR) * VECTOR if inputs % VECTOR else 0)


def applies(node: Node, graph: Graph) -> bool:
    return rounding_of(node.params.output, node.params.weight) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, inputs = node.params.weight.shape
    groups, kind = -(-rows // GROUP), rounding_kind(node.params.output, node.params.weight)
    return (1.0, inputs * (inputs % VECTOR > 0), groups, groups * -(-inputs // VECTOR),
            groups * (kind == TFLITE), groups * (kind == TFLITE_RELU))  # fmt: skip


KERNEL = Kernel("linear_mve", pack, fitted("linear_mve", features), MVE, applies, shared=MVE_FILES)
