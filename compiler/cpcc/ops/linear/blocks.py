"""Fully connected layer of 1x4 blocks: one index for four weights, two SMLAD where the core has them."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.nibbles import BLOCK, block_rows
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed, Value


def applies(node: Node, graph: Graph) -> bool:
    return bool(node.params.weight.shape[1] % BLOCK == 0)


def pack(node: Node, graph: Graph) -> Packed:
    rows, output = block_rows(node.params.weight), node.params.output
    fields: dict[str, Value] = {
        "out_features": len(rows.counts),
        "counts": rows.counts,
        "deltas": rows.deltas,
        "weights": rows.weights,
    }
    return Packed({**fields, **output.fields()}, entry=output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows = block_rows(node.params.weight)
    return 1.0, len(rows.counts), int(rows.counts.sum()), len(rows.counts) * is_tflite(node.params.output)


KERNEL = Kernel(
    "linear_blocks",
    pack,
    fitted("linear_blocks", features),
    applies=applies,
    sparse=True,
    shared=("include/cpcc_dsp.h", "kernels/cpcc_block_product.h"),
)
