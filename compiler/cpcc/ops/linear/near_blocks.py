"""Fully connected layer of 1x4 blocks that lie near each other, in portable C: half a byte of distance for most."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.nibbles import BLOCK, near_blocks
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed, Value
from cpcc.ops.linear import blocks

FILES = ("include/cpcc_dsp.h", "kernels/cpcc_block_product.h")


def applies(node: Node, graph: Graph) -> bool:
    """Where that takes fewer bytes than a byte of distance, and than dense weights."""
    weight = node.params.weight
    if not blocks.applies(node, graph) or weight.reshape(-1, BLOCK).any(axis=1).all():
        return False
    found = near_blocks(weight)
    return found.nbytes < weight.size and found.nbytes < blocks.pack(node, graph).constant_bytes - _output_bytes(node)


def _output_bytes(node: Node) -> int:
    return sum(value.nbytes for value in node.params.output.fields().values() if not isinstance(value, int))


def pack(node: Node, graph: Graph) -> Packed:
    found, output = near_blocks(node.params.weight), node.params.output
    fields: dict[str, Value] = {
        "out_features": len(found.counts), "counts": found.counts, "deltas": found.deltas, "weights": found.weights,
    }  # fmt: skip
    return Packed({**fields, **output.fields()}, entry=output.entry)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    found = near_blocks(node.params.weight)
    rows = len(found.counts)
    return 1.0, rows, int(found.counts.sum()), found.halves, rows * is_tflite(node.params.output)


KERNEL = Kernel(
    "linear_near_blocks", pack, fitted("linear_near_blocks", features), applies=applies, sparse=True, shared=FILES
)
