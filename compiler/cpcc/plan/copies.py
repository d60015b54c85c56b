"""Layers whose weights lie in flash more than once: calls of one layer, or layers with tied weights, whose types differ.

Equal arrays are stored once. Kernels that read weights and scales as one stream need a stream for each pair of input and output
types, and `cpcc.quant.shared_weights` gives the calls one pair only where no range grows too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cpcc.graph import Graph
from cpcc.plan.sizes import stored_bytes, times_stored
from cpcc.plan.steps import Step
from cpcc.tied_weights import tied_groups


@dataclass(frozen=True)
class Copies:
    """`layers` have the same weights, which are stored `times` times, in `bytes` bytes of constants in all."""

    layers: tuple[str, ...]
    times: int
    bytes: int


def copies(graph: Graph, layers: Mapping[str, Sequence[Step]]) -> tuple[Copies, ...]:
    """Those of the `layers` of a plan for `graph`, steps by name, whose weights are stored more than once."""
    found = []
    for group in tied_groups(graph):
        names = tuple(node.name for node in group)
        packed = [step.packed for name in names for step in layers[name]]
        if (times := times_stored(packed)) > 1:
            found.append(Copies(names, times, stored_bytes(packed)))
    return tuple(found)
