"""Sparse fully connected layer for the DSP extension: two nonzeros a word."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite, output_fields, rounding_of, row_constants
from cpcc.formats.sparse import sparse2_stream, sparse2_words
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Packed
from cpcc.ops.requantized import clamped_outputs

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h")


def pack(node: Node, graph: Graph) -> Packed:
    output, weight = node.params.output, node.params.weight
    rounding = rounding_of(output, weight)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        "stream": sparse2_stream(weight), "constants": row_constants(rounding), "out_features": len(weight),
        **output_fields(output, rounding.kind),
    }  # fmt: skip
    return Packed(fields)


def applies(node: Node, graph: Graph) -> bool:
    return rounding_of(node.params.output, node.params.weight) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    words = np.array([len(sparse2_words(row)) for row in node.params.weight])
    rows = len(words)
    return (
        1.0,
        rows,
        rows * is_tflite(node.params.output),
        float((words // 4).sum()),
        float((words % 4).sum()),
        clamped_outputs(node, graph),
    )


KERNEL = Kernel("linear_sparse2", pack, fitted("linear_sparse2", features), DSP, applies, sparse=True, shared=FILES)
