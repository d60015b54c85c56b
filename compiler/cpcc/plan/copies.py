"""Layers whose weights lie in flash more than once: calls of one layer, or layers with tied weights, whose types differ.

Equal arrays are stored once. Kernels that read weights and scales as one stream need a stream for each pair of input and output
types, and `cpcc.quant.shared_weights` gives the calls one pair only where no range grows too much."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.plan.sizes import Array, arrays_of, stored_bytes
from cpcc.plan.steps import Step


@dataclass(frozen=True)
class Copies:
    """`layers` have the same weights, which are stored `times` times, in `bytes` bytes of constants in all."""

    layers: tuple[str, ...]
    times: int
    bytes: int


def copies(graph: Graph, layers: Mapping[str, Sequence[Step]]) -> tuple[Copies, ...]:
    """Those of the `layers` of a plan for `graph`, steps by name, whose weights are stored more than once."""
    groups: dict[Hashable, list[str]] = {}
    for node in graph.nodes:
        if node.name in layers and (key := _weights(node)) is not None:
            groups.setdefault(key, []).append(node.name)
    found = []
    for names in groups.values():
        times = _apart([frozenset(a for step in layers[name] for a in arrays_of(step.packed)) for name in names])
        if times > 1:
            found.append(Copies(tuple(names), times, stored_bytes(s.packed for name in names for s in layers[name])))
    return tuple(found)


def _weights(node: Node) -> Hashable | None:
    """What tells the weights of a layer from others; None where it has none."""
    arrays = [getattr(node.params, name) for name in op_of(node, Int8).weights]
    if not arrays:
        return None
    return (type(node.params), *((a.shape, hashlib.blake2b(a.tobytes(), digest_size=16).digest()) for a in arrays))


def _apart(stored: list[frozenset[Array]]) -> int:
    """How many of the sets, those with an array in common taken for one, there are."""
    found: list[frozenset[Array]] = []
    for arrays in stored:
        other = [each for each in found if not each & arrays]
        found = [*other, arrays.union(*(each for each in found if each & arrays))]
    return len(found)
