"""Small steps of which passes over the float graph are made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cpcc.graph import Graph, Node
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear

WEIGHTED = (Linear, Conv2d, DepthwiseConv2d)


def sole_producer(graph: Graph, node: Node) -> Node | None:
    """The node whose output only `node` reads, or None."""
    if len(node.inputs) != 1 or node.inputs[0] in graph.outputs:
        return None
    if len(list(graph.consumers(node.inputs[0]))) != 1:
        return None
    return next((other for other in graph.nodes if other.output == node.inputs[0]), None)


def merge(graph: Graph, producer: Node, consumer: Node, params: Any) -> Graph:
    """`graph` where `producer`, with `params`, writes `consumer`'s output, and `consumer` is gone."""
    merged = replace(producer, params=params, output=consumer.output)
    nodes = tuple(merged if n is producer else n for n in graph.nodes if n is not consumer)
    tensors = {name: t for name, t in graph.tensors.items() if name != producer.output}
    return replace(graph, nodes=nodes, tensors=tensors)
