"""Passes from float graph to equal, smaller float graph: each a pure function.

A front end emits `BatchNorm` nodes; `optimize` leaves none of them, so later stages never meet the op.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpcc.errors import ModelError
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops.float_params import Add, Conv2d, DepthwiseConv2d, Linear, Lookup, Mul, Pad, Relu, Reshape, WeightedSum

_WEIGHTED = (Linear, Conv2d, DepthwiseConv2d)
_GATES = {"sigmoid": "silu", "hardsigmoid": "hardswish"}


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """``y = x * scale + offset`` over the last axis; both float64 of shape (channels,)."""

    scale: np.ndarray
    offset: np.ndarray


def optimize(graph: Graph) -> Graph:
    """`graph` with batch normalisation folded and ReLUs fused; the same function up to float32 rounding."""
    return fold_pad(lower_relu6(fuse_relu(lower_batch_norm(fold_batch_norm(fuse_gates(graph))))))


def fold_batch_norm(graph: Graph) -> Graph:
    """Folds each `BatchNorm` into the weighted node before it, where nothing else reads that node."""
    for node in graph.nodes:
        producer = _sole_producer(graph, node)
        if not isinstance(node.params, BatchNorm) or producer is None:
            continue
        if isinstance(producer.params, _WEIGHTED) and not producer.params.relu:
            graph = _merge(graph, producer, node, _scaled(producer, node.params))
    return graph


def lower_batch_norm(graph: Graph) -> Graph:
    """Turns each `BatchNorm` that is left into a 1x1 depthwise convolution (reshaped around for a vector)."""
    for node in graph.nodes:
        if isinstance(node.params, BatchNorm):
            graph = _lower(graph, node, node.params)
    return graph


def fuse_gates(graph: Graph) -> Graph:
    """Turns each ``x * sigmoid(x)`` and ``x * hardsigmoid(x)`` into one table, where nothing else reads the gate."""
    for node in graph.nodes:
        if isinstance(node.params, Mul):
            for own, gate in (node.inputs, node.inputs[::-1]):
                function = _gated(graph, own, gate)
                if function:
                    graph = _without_gate(graph, node, own, gate, function)
                    break
    return graph


def _gated(graph: Graph, own: str, gate: str) -> str:
    """The function that the product of `own` and its own `gate` is, or ""."""
    producer = next((n for n in graph.nodes if n.output == gate), None)
    if producer is None or not isinstance(producer.params, Lookup) or producer.inputs != (own,):
        return ""
    if gate in graph.outputs or len(list(graph.consumers(gate))) != 1 or producer.params.arguments:
        return ""
    return _GATES.get(producer.params.function, "")


def _without_gate(graph: Graph, node: Node, own: str, gate: str, function: str) -> Graph:
    table = replace(node, params=Lookup(function), inputs=(own,))
    nodes = tuple(table if n is node else n for n in graph.nodes if n.output != gate)
    return replace(graph, nodes=nodes, tensors={name: t for name, t in graph.tensors.items() if name != gate})


def fuse_relu(graph: Graph) -> Graph:
    """Fuses each `Relu` into the weighted node or sum before it, where nothing else reads that node."""
    for node in graph.nodes:
        producer = _sole_producer(graph, node)
        if isinstance(node.params, Relu) and producer and isinstance(producer.params, (*_WEIGHTED, WeightedSum, Add)):
            graph = _merge(graph, producer, node, _clamped(producer.params, node.params.ceiling))
    return graph


def _clamped(params: Any, ceiling: float) -> Any:
    """`params` followed by a ReLU with a ceiling, which a plain sum has not."""
    if isinstance(params, Add):
        return Add(True) if ceiling == math.inf else WeightedSum(relu=True, ceiling=ceiling)
    return replace(params, relu=True, ceiling=min(params.ceiling, ceiling))


def fold_pad(graph: Graph) -> Graph:
    """Turns each `Pad` of an image's borders into padding of the convolution behind it, where only that reads it."""
    for node in graph.nodes:
        pad = _sole_producer(graph, node)
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


def _sole_producer(graph: Graph, node: Node) -> Node | None:
    """The node whose output only `node` reads, or None."""
    if len(node.inputs) != 1 or node.inputs[0] in graph.outputs:
        return None
    if len(list(graph.consumers(node.inputs[0]))) != 1:
        return None
    return next((other for other in graph.nodes if other.output == node.inputs[0]), None)


def _merge(graph: Graph, producer: Node, consumer: Node, params: Any) -> Graph:
    """`graph` where `producer`, with `params`, writes `consumer`'s output, and `consumer` is gone."""
    merged = replace(producer, params=params, output=consumer.output)
    nodes = tuple(merged if n is producer else n for n in graph.nodes if n is not consumer)
    tensors = {name: t for name, t in graph.tensors.items() if name != producer.output}
    return replace(graph, nodes=nodes, tensors=tensors)


def _scaled(producer: Node, norm: BatchNorm) -> Any:
    """The producer's parameters followed by `norm`, computed in float64 and rounded once.

    A pruned weight is 0 and stays 0. Raises `ModelError` where float32 overflows."""
    params = producer.params
    last = isinstance(params, DepthwiseConv2d)  # output channels are the last axis there, else the first
    scale = norm.scale if last else norm.scale.reshape(-1, *[1] * (params.weight.ndim - 1))
    weight = params.weight.astype(np.float64) * scale
    bias = params.bias.astype(np.float64) * norm.scale + norm.offset
    return replace(params, weight=to_float32(weight, producer.name), bias=to_float32(bias, producer.name))


def to_float32(values: np.ndarray, name: str) -> np.ndarray:
    """`values` as contiguous float32. Raises `ModelError` naming the layer for NaN or infinity."""
    with np.errstate(over="ignore"):  # reported below
        result = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(result).all():
        raise ModelError(f"{name}: weights contain NaN or infinity (batch norm included); train it again")
    return result


def _lower(graph: Graph, node: Node, norm: BatchNorm) -> Graph:
    weight, bias = to_float32(norm.scale[None, None], node.name), to_float32(norm.offset, node.name)
    params = DepthwiseConv2d(weight, bias, (1, 1), (0, 0, 0, 0))
    shape = graph.output_tensor(node).shape
    if len(shape) == 3:
        new: tuple[Node, ...] = (replace(node, params=params),)
        tensors = graph.tensors
    else:
        new, tensors = _lower_vector(graph, node, params, shape[0])
    position = graph.nodes.index(node)
    nodes = (*graph.nodes[:position], *new, *graph.nodes[position + 1 :])
    return replace(graph, nodes=nodes, tensors=tensors)


def _lower_vector(
    graph: Graph, node: Node, params: DepthwiseConv2d, features: int
) -> tuple[tuple[Node, ...], dict[str, Tensor]]:
    """Reshape to (1, 1, features), convolve, reshape back."""
    image = (1, 1, features)
    before, after = f"{node.output}.image", f"{node.output}.normalized"
    nodes = (
        Node(f"{node.name}.image", Reshape(image), node.inputs, before, node.source),
        replace(node, params=params, inputs=(before,), output=after),
        Node(f"{node.name}.vector", Reshape((features,)), (after,), node.output, node.source),
    )
    return nodes, graph.tensors | {name: Tensor(name, image, Float32()) for name in (before, after)}
