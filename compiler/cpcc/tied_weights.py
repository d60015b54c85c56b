"""Nodes of an integer graph with the same weights: calls of one layer, or layers whose weights are tied."""

from __future__ import annotations

import numpy as np

from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of


def tied_to(node: Node, graph: Graph) -> list[Node]:
    """The nodes of `graph` that have the weights of `node`, itself among them."""
    return [other for other in graph.nodes if other is node or _same(node, other)]


def tied_groups(graph: Graph) -> list[list[Node]]:
    """The nodes that have their weights in common, where several do."""
    found: list[list[Node]] = []
    for node in graph.nodes:
        group = next((group for group in found if _same(node, group[0])), None)
        if group is None:
            found.append([node])
        else:
            group.append(node)
    return [group for group in found if len(group) > 1]


def _same(node: Node, other: Node) -> bool:
    if type(node.params) is not type(other.params):
        return False
    pairs = [(getattr(node.params, name), getattr(other.params, name)) for name in op_of(node, Int8).weights]
    return bool(pairs) and all(_equal(a, b) and _telling(a) for a, b in pairs)


def _telling(weight: np.ndarray) -> bool:
    """The largest weight of a channel is 127 or -127, whatever its scale: single ones, as of a multiplication by a constant, say nothing."""
    return bool((np.abs(weight.astype(np.int16)) != 127).any())


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a is b or (a.shape == b.shape and np.array_equal(a, b))
