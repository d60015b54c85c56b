"""Flash that a layer's constants take: exact, since they are packed for it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cpcc.ops.base import Packed

WORD = 4  # bytes of a field of a kernel's C struct: a number, or a pointer to an array


def packed_bytes(packed: Packed) -> int:
    """Bytes of the arrays (weights, indices, biases, multipliers), of code that stands for them, and of the struct."""
    return packed.constant_bytes + WORD * len(packed.struct)


def stored_bytes(layers: Iterable[Packed]) -> int:
    """Bytes of the arrays and code of `layers`, each once: what equals, as the weights of a layer's bands, is stored once."""
    different = {id(packed): packed for packed in layers}
    arrays, code = {}, 0
    for packed in different.values():
        for value in packed.struct.values():
            if isinstance(value, np.ndarray):
                arrays[value.dtype.name, value.tobytes()] = value.nbytes
            elif not isinstance(value, int):
                code += value.nbytes
    return sum(arrays.values()) + code


def struct_bytes(layers: Iterable[Packed]) -> int:
    """Bytes of the structs of `layers`; one for the bands of a layer that are alike."""
    return sum({id(packed): WORD * len(packed.struct) for packed in layers}.values())
