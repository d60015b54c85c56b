"""Flash that a layer's constants take: exact, since they are packed for it."""

from __future__ import annotations

from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed

WORD = 4  # bytes of a field of a kernel's C struct: a number, or a pointer to an array


def packed_bytes(packed: Packed) -> int:
    """Bytes of the arrays (weights, indices, biases, multipliers), of code that stands for them, and of the struct."""
    return packed.constant_bytes + WORD * len(packed.struct)


def constant_bytes(kernel: Kernel, node: Node, graph: Graph) -> int:
    """Flash of the node's constants in the kernel's layout."""
    return packed_bytes(kernel.pack(node, graph))
