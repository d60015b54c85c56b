"""Fully connected layers whose weights have few levels, in portable C: half a byte for each weight, or a byte for each nonzero."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import narrow
from cpcc.formats.nibbles import dense_bytes, few_levels, sparse_bits, sparse_bytes
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed, Value

FILES = ("include/cpcc_nibbles.h",)


def applies(node: Node, graph: Graph) -> bool:
    return few_levels(node.params.weight) is not None


def pack(node: Node, graph: Graph) -> Packed:
    levels, output = few_levels(node.params.weight), node.params.output
    assert levels is not None
    rows, columns = node.params.weight.shape
    fields: dict[str, Value] = {
        "in_features": columns,
        "out_features": rows,
        "multiples": dense_bytes(levels.multiples),
        "steps": levels.steps,
    }
    return Packed({**fields, **output.fields()}, entry=output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, columns = node.params.weight.shape
    return 1.0, rows, rows * (columns // 2), rows * (columns % 2), rows * is_tflite(node.params.output)


def _entries(node: Node) -> list[list[int]]:
    levels = few_levels(node.params.weight)
    assert levels is not None
    bits = sparse_bits(levels.multiples)
    return [sparse_bytes(row, bits) for row in levels.multiples]


def pack_sparse(node: Node, graph: Graph) -> Packed:
    levels, entries, output = few_levels(node.params.weight), _entries(node), node.params.output
    assert levels is not None
    counts, flat = np.array([len(row) for row in entries]), [entry for row in entries for entry in row] or [0]
    fields: dict[str, Value] = {"out_features": len(entries), "bits": sparse_bits(levels.multiples), "counts": narrow(counts, np.uint16), "entries": narrow(np.array(flat), np.uint8),
              "steps": levels.steps}  # fmt: skip
    return Packed({**fields, **output.fields()}, entry=output.entry)


def sparse_features(node: Node, graph: Graph) -> tuple[float, ...]:
    entries = _entries(node)
    return 1.0, len(entries), sum(map(len, entries)), len(entries) * is_tflite(node.params.output)


DENSE = Kernel("linear_nibbles", pack, fitted("linear_nibbles", features), applies=applies, shared=FILES)
SPARSE = Kernel(
    "linear_few", pack_sparse, fitted("linear_few", sparse_features), applies=applies, sparse=True, shared=FILES
)
