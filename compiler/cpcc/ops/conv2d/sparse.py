"""Sparse convolution in portable C: per nonzero weight its offset in the padded input."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.formats.sparse import OffsetRows, pack_rows_offset16
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed
from cpcc.ops.conv2d import dense
from cpcc.ops.conv2d.geometry import geometry, padded_scratch, pixels, tap_offsets


def _rows(node: Node, graph: Graph) -> OffsetRows:
    return pack_rows_offset16(node.params.matrix, tap_offsets(node, graph))


def pack(node: Node, graph: Graph) -> Packed:
    rows = _rows(node, graph)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "out_channels": len(rows.counts),
        "counts": rows.counts, "offsets": rows.offsets, "weights": rows.values,
        **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, padded_scratch(node, graph), node.params.output.entry)


def applies(node: Node, graph: Graph) -> bool:
    return int(tap_offsets(node, graph)[-1]) < 2**16


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    fours, ones = pixels(node, graph)
    out, nonzero = len(node.params.weight), int(np.count_nonzero(node.params.weight))
    outputs = graph.output_tensor(node).size
    return (fours * out, fours * nonzero, ones * out, ones * nonzero, padded_scratch(node, graph), float(fours),
            outputs * is_tflite(node.params.output))  # fmt: skip


KERNEL = Kernel(
    "conv2d_sparse", pack, fitted("conv2d_sparse", features), applies=applies, sparse=True, overlap=dense.overlap
)
