"""Passes from float graph to equal, smaller float graph: each a pure function."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from cpcc.graph import Graph, Node
from cpcc.ops.float_params import Add, Conv2d, DepthwiseConv2d, Lookup, Pad, Relu, WeightedSum
from cpcc.passes.batch_norm import fold_batch_norm, lower_batch_norm
from cpcc.passes.pointwise import fuse_pointwise
from cpcc.passes.rewriting import WEIGHTED, merge, sole_producer


def optimize(graph: Graph) -> Graph:
    """`graph` with batch normalisation folded, ReLUs fused and functions of one value as tables; the same function up to float32
    rounding. What can be folded into a weighted layer is, before tables are made of the rest."""
    graph = fuse_pointwise(fuse_relu(fold_batch_norm(drop_unread(graph))))
    return fold_pad(lower_relu6(fuse_relu(lower_batch_norm(graph))))


def drop_unread(graph: Graph) -> Graph:
    """`graph` without the nodes that no output depends on, such as the last state of a recurrent layer that nobody asks for."""
    read, live = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if node.output in read:
            live.append(node)
            read.update(node.inputs)
    kept = {name: tensor for name, tensor in graph.tensors.items() if name in read or name in graph.inputs}
    return replace(graph, nodes=tuple(reversed(live)), tensors=kept)


def fuse_relu(graph: Graph) -> Graph:
    """Fuses each `Relu` into the weighted node or sum before it, where nothing else reads that node."""
    for node in graph.nodes:
        producer = sole_producer(graph, node)
        if isinstance(node.params, Relu) and producer and isinstance(producer.params, (*WEIGHTED, WeightedSum, Add)):
            graph = merge(graph, producer, node, _clamped(producer.params, node.params.ceiling))
    return graph


def _clamped(params: Any, ceiling: float) -> Any:
    """`params` followed by a ReLU with a ceiling, which a plain sum has not."""
    if isinstance(params, Add):
        return Add(True) if ceiling == math.inf else WeightedSum(relu=True, ceiling=ceiling)
    return replace(params, relu=True, ceiling=min(params.ceiling, ceiling))


def fold_pad(graph: Graph) -> Graph:
    """Turns each `Pad` of an image's borders into padding of the convolution behind it, where only that reads it."""
    for node in graph.nodes:
        pad = sole_producer(graph, node)
        if isinstance(node.params, Conv2d | DepthwiseConv2d) and pad is not None and isinstance(pad.params, Pad):
            (top, left, before), (bottom, right, after) = pad.params.before, pad.params.after
            if before == after == 0 and not any(pad.params.between):
                own = node.params.padding
                padding = (own[0] + top, own[1] + bottom, own[2] + left, own[3] + right)
                graph = _skip(graph, pad, replace(node, params=replace(node.params, padding=padding)))
    return graph


def _skip(graph: Graph, producer: Node, consumer: Node) -> Graph:
    """`graph` where `consumer`, as given, reads what `producer` read, and `producer` is gone."""
    changed = replace(consumer, inputs=producer.inputs)
    nodes = tuple(changed if n.output == consumer.output else n for n in graph.nodes if n is not producer)
    tensors = {name: t for name, t in graph.tensors.items() if name != producer.output}
    return replace(graph, nodes=nodes, tensors=tensors)


def lower_relu6(graph: Graph) -> Graph:
    """Turns each clipped `Relu` that is left into a table, whose output has a range of its own."""
    nodes = [
        replace(node, params=Lookup("clip", (0.0, node.params.ceiling)))
        if isinstance(node.params, Relu) and node.params.ceiling < math.inf
        else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))
