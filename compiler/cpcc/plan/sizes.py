"""Flash that layers' constants take: exact, since they are packed for it. Equal arrays are stored once, whoever needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from cpcc.ops.base import Code, Packed

WORD = 4  # bytes of a field of a kernel's C struct: a number, or a pointer to an array
Array = tuple[
    bytes, int
]  # what tells the contents of an array, or of code that stands for one, from others, and its bytes

# Fields of the kernels' C structs with arrays that do not follow from the weights alone, and hold none.
NO_WEIGHTS = frozenset({"bias", "multiplier", "shift", "constants", "columns", "initial", "sigmoid", "tanh"})


def packed_bytes(packed: Packed) -> int:
    """Bytes of the arrays (weights, indices, biases, multipliers), of code that stands for them, and of the struct."""
    return packed.constant_bytes + WORD * len(packed.struct)


def arrays_of(packed: Packed) -> frozenset[Array]:
    """The arrays of a layer and its code, each once."""
    stored = (value for value in packed.struct.values() if not isinstance(value, int))
    return frozenset((_digest(value), value.nbytes) for value in stored)


def times_stored(layers: Iterable[Packed]) -> int:
    """How often the weights of `layers`, which are the same, are stored, in whatever layouts: the different sets of arrays that hold them."""
    return len({weight_arrays(packed) for packed in layers})


def weight_arrays(packed: Packed) -> frozenset[Array]:
    """The arrays and code of a layer that follow from its weights, alone or with other constants between them."""
    stored = ((name.rpartition(".")[2], value) for name, value in packed.struct.items() if not isinstance(value, int))
    return frozenset((_digest(value), value.nbytes) for name, value in stored if name not in NO_WEIGHTS)


def own_bytes(packed: Packed) -> int:
    """Bytes that no other layer can share: the struct."""
    return packed_bytes(packed) - sum(value.nbytes for value in packed.struct.values() if not isinstance(value, int))


def stored_bytes(layers: Iterable[Packed]) -> int:
    """Bytes of the arrays and code of `layers`, each once: what equals, as the weights of a layer's bands, is stored once."""
    different = {id(packed): packed for packed in layers}
    return sum({key: size for packed in different.values() for key, size in arrays_of(packed)}.values())


def struct_bytes(layers: Iterable[Packed]) -> int:
    """Bytes of the structs of `layers`; one for the bands of a layer that are alike."""
    return sum({id(packed): WORD * len(packed.struct) for packed in layers}.values())


def _digest(value: np.ndarray | Code) -> bytes:
    if isinstance(value, Code):
        return hashlib.blake2b("\n".join((value.begin, *value.steps)).encode(), digest_size=16).digest()
    return hashlib.blake2b(value.dtype.name.encode() + b":" + value.tobytes(), digest_size=16).digest()
