"""Runs of layers that can be computed in bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cpcc.errors import ModelError
from cpcc.graph import Graph
from cpcc.stripes.windows import Rows, rows_of


@dataclass(frozen=True)
class Stripe:
    """The layers from the node called `first` to that called `last`, `rows` rows of the first one's output at a time."""

    first: str
    last: str
    rows: int


@dataclass(frozen=True, eq=False)
class Region:
    """Consecutive layers of which only the last one's output is read outside."""

    begin: int  # index of the first node
    layers: tuple[Rows, ...]

    @property
    def end(self) -> int:
        """Index behind the last node."""
        return self.begin + len(self.layers)

    @property
    def output(self) -> str:
        return self.layers[-1].node.output

    @property
    def inner(self) -> tuple[str, ...]:
        """What is never in memory as a whole."""
        return tuple(layer.node.output for layer in self.layers[:-1])

    def readers(self, tensor: str) -> list[Rows]:
        return [layer for layer in self.layers if tensor in layer.node.inputs]

    def stripe(self, rows: int) -> Stripe:
        return Stripe(self.layers[0].node.name, self.layers[-1].node.name, rows)


def region(graph: Graph, layers: Sequence[Rows | None], begin: int, end: int) -> Region | None:
    """The nodes `begin` to `end` as a region; None where they are none. `layers` are all nodes of the graph, row by row."""
    inside = [layer for layer in layers[begin:end] if layer is not None]
    if len(inside) < max(end - begin, 2) or len({layer.axis for layer in inside}) > 1:
        return None
    inner = {layer.node.output for layer in inside[:-1]}
    outside = [name for node in (*graph.nodes[:begin], *graph.nodes[end:]) for name in node.inputs]
    if inner & {*outside, *graph.outputs}:
        return None
    made = {name for layer in inside for name in layer.node.inputs}
    return Region(begin, tuple(inside)) if inner <= made else None


def find_region(graph: Graph, stripe: Stripe) -> Region:
    """The region that `stripe` names. Raises `ModelError` where there is none."""
    number = {node.name: i for i, node in enumerate(graph.nodes)}
    if stripe.first in number and stripe.last in number and stripe.rows > 0:
        begin, end = number[stripe.first], number[stripe.last] + 1
        layers = [rows_of(node, graph) if begin <= i < end else None for i, node in enumerate(graph.nodes)]
        found = region(graph, layers, begin, end)
        if found is not None:
            return found
    raise ModelError(f"{stripe.first} to {stripe.last}: cannot be computed in bands; run cpcc build again")
