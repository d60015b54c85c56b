"""Sparse fully connected layer in portable C: column steps of one byte."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.formats.sparse import pack_rows_delta8
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed


def pack(node: Node, graph: Graph) -> Packed:
    rows = pack_rows_delta8(node.params.weight)
    return Packed(
        {
            "out_features": node.params.weight.shape[0],
            "counts": rows.counts,
            "deltas": rows.deltas,
            "weights": rows.values,
            **node.params.output.fields(),
        },
        entry=node.params.output.entry,
    )


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows = pack_rows_delta8(node.params.weight)
    return 1.0, len(rows.counts), len(rows.values), len(rows.counts) * is_tflite(node.params.output)


KERNEL = Kernel("linear_sparse", pack, fitted("linear_sparse", features), sparse=True)
