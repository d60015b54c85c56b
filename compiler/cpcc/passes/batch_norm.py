"""Batch normalisation, and any factor and offset per channel: no op of its own.

A front end emits `BatchNorm` nodes; `fold_batch_norm` and `lower_batch_norm` leave none of them, so later stages never meet one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpcc.errors import ModelError
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops.float_params import DepthwiseConv2d, Reshape
from cpcc.passes.rewriting import WEIGHTED, merge, sole_producer


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """``y = x * scale + offset`` over the last axis; both float64 of shape (channels,)."""

    scale: np.ndarray
    offset: np.ndarray


def fold_batch_norm(graph: Graph) -> Graph:
    """Folds each `BatchNorm` into the weighted node before it, where nothing else reads that node."""
    for node in graph.nodes:
        producer = sole_producer(graph, node)
        if not isinstance(node.params, BatchNorm) or producer is None:
            continue
        if isinstance(producer.params, WEIGHTED) and not producer.params.relu:
            graph = merge(graph, producer, node, _scaled(producer, node.params))
    return graph


def lower_batch_norm(graph: Graph) -> Graph:
    """Turns each `BatchNorm` that is left into a 1x1 depthwise convolution (reshaped around for a vector)."""
    for node in graph.nodes:
        if isinstance(node.params, BatchNorm):
            graph = _lower(graph, node, node.params)
    return graph


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
