"""Flash that layers' constants take: exact, since they are packed for it. Equal arrays are stored once, whoever needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from cpcc.ops.base import Packed

WORD = 4  # bytes of a field of a kernel's C struct: a number, or a pointer to an array
Array = tuple[bytes, int]  # what tells an array's contents from others, and its bytes


def packed_bytes(packed: Packed) -> int:
    """Bytes of the arrays (weights, indices, biases, multipliers), of code that stands for them, and of the struct."""
    return packed.constant_bytes + WORD * len(packed.struct)


def arrays_of(packed: Packed) -> frozenset[Array]:
    """The arrays of a layer, each once."""
    arrays = (value for value in packed.struct.values() if isinstance(value, np.ndarray))
    return frozenset((_digest(array), array.nbytes) for array in arrays)


def own_bytes(packed: Packed) -> int:
    """Bytes that no other layer can share: the struct, and code."""
    arrays = (value.nbytes for value in packed.struct.values() if isinstance(value, np.ndarray))
    return packed_bytes(packed) - sum(arrays)


def stored_bytes(layers: Iterable[Packed]) -> int:
    """Bytes of the arrays and code of `layers`, each once: what equals, as the weights of a layer's bands, is stored once."""
    different = {id(packed): packed for packed in layers}
    arrays, code = {}, {}
    for packed in different.values():
        for value in packed.struct.values():
            if isinstance(value, np.ndarray):
                arrays[_digest(value)] = value.nbytes
            elif not isinstance(value, int):
                code[value.begin, value.steps] = value.nbytes
    return sum(arrays.values()) + sum(code.values())


def struct_bytes(layers: Iterable[Packed]) -> int:
    """Bytes of the structs of `layers`; one for the bands of a layer that are alike."""
    return sum({id(packed): WORD * len(packed.struct) for packed in layers}.values())


def _digest(array: np.ndarray) -> bytes:
    return hashlib.blake2b(array.dtype.name.encode() + b":" + array.tobytes(), digest_size=16).digest()
