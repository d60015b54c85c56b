"""Flash that a layer's constants take: exact, since they are packed for it."""

from __future__ import annotations

from cpcc.ops.base import Packed

WORD = 4  # bytes of a field of a kernel's C struct: a number, or a pointer to an array


def packed_bytes(packed: Packed) -> int:
    """Bytes of the arrays (weights, indices, biases, multipliers), of code that stands for them, and of the struct."""
    return packed.constant_bytes + WORD * len(packed.struct)
