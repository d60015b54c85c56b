"""Sparse convolution in portable C: per nonzero weight its distance in the padded input from the one before."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.rounding import is_tflite
from cpcc.formats.sparse import DeltaRows, pack_rows_delta8
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed
from cpcc.ops.conv2d import dense
from cpcc.ops.conv2d.geometry import geometry, pad_work, pixels, strip_bytes, tap_offsets


def _rows(node: Node, graph: Graph) -> DeltaRows:
    return pack_rows_delta8(node.params.matrix, tap_offsets(node, graph))


def pack(node: Node, graph: Graph) -> Packed:
    rows = _rows(node, graph)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": node.params.weight.shape[1], "out_channels": len(rows.counts),
        "counts": rows.counts, "deltas": rows.deltas, "weights": rows.values,
        **node.params.output.fields(),
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, node.params.weight.shape[1], 1), node.params.output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    fours, ones = pixels(node, graph)
    out, nonzero = len(node.params.weight), int(_rows(node, graph).counts.sum())
    filled = int(node.params.matrix.any(axis=1).sum())
    outputs, kh = graph.output_tensor(node).size, node.params.weight.shape[1]
    return (
        1.0, graph.output_tensor(node).shape[0], float(fours), fours * out, fours * filled, fours * nonzero,
        ones * out, ones * filled, ones * nonzero, *pad_work(node, graph, kh), outputs * is_tflite(node.params.output),
    )  # fmt: skip


KERNEL = Kernel("conv2d_sparse", pack, fitted("conv2d_sparse", features), sparse=True, overlap=dense.overlap)
