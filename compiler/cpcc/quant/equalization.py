"""Cross-layer equalization: channels of a tensor scaled to like ranges, the next layer's weights scaled back.

Weights have a scale per output channel already, so what is balanced here is a tensor's channels, which share one scale,
against the next layer's columns. Behind a depthwise layer every channel has its own scale too: there the balance is free, and
all channels get one range. Source: Nagel et al. 2019, arXiv 1906.04721, section 4.1; the balance as in Xiao et al. 2022,
arXiv 2211.10438, equation 4 with alpha 1/2.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cpcc.graph import Float32, Graph, Node
from cpcc.ops.float_params import AvgPool2d, Conv2d, DepthwiseConv2d, Linear, MaxPool2d, Mean, Relu
from cpcc.quant.few_levels import level_step
from cpcc.quant.running import batches, run_nodes
from cpcc.quant.weighted import Weighted, input_maxima, rows, with_rows, with_scaled_inputs


def equalized(graph: Graph, x: np.ndarray) -> tuple[Graph, dict[str, np.ndarray]]:
    """`graph`, the same function, with the channels between its layers balanced over the samples `x` (n, ...); and what
    the values of a tensor were divided by, (channels,) float64, for every tensor that changed."""
    maxima = channel_maxima(graph, x)
    balance: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        current = next(n for n in graph.nodes if n.output == node.output)
        between = _between(graph, current)
        if between is not None:
            tensors, follower = between
            scale = _scale(maxima[tensors[-1]], follower.params)
            graph = _balanced(graph, current, follower, scale)
            balance |= dict.fromkeys(tensors, scale)
    return graph, balance


def channel_maxima(graph: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    """(channels,) largest magnitude per channel of every tensor."""
    maxima: dict[str, np.ndarray] = {}
    for batch in batches(x):
        for name, value in run_nodes(graph, Float32, batch).items():
            largest = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
            maxima[name] = np.maximum(maxima.get(name, largest), largest)
    return maxima


def _between(graph: Graph, node: Node) -> tuple[list[str], Node] | None:
    """The tensors between `node` and the layer with weights that alone reads its channels, through nothing but what
    scales along, and that layer; else None."""
    if not isinstance(node.params, Linear | Conv2d | DepthwiseConv2d) or not _homogeneous(node):
        return None
    tensors = []
    while True:
        tensors.append(node.output)
        readers = list(graph.consumers(node.output))
        if len(readers) != 1 or node.output in graph.outputs:
            return None
        node = readers[0]
        if isinstance(node.params, Linear | Conv2d | DepthwiseConv2d):
            return (tensors, node) if _can_absorb(node) else None
        if not isinstance(node.params, MaxPool2d | AvgPool2d | Mean) and not (
            isinstance(node.params, Relu) and node.params.ceiling == math.inf
        ):
            return None


def _homogeneous(node: Node) -> bool:
    """Whether scaling the weights and the bias scales the output: not behind a ReLU6."""
    return not node.params.relu or node.params.ceiling == math.inf


def _can_absorb(node: Node) -> bool:
    """Whether other columns do no harm: few-level weights have one step per row."""
    return isinstance(node.params, DepthwiseConv2d) or not any(level_step(row) for row in rows(node.params))


def _balanced(graph: Graph, node: Node, follower: Node, scale: np.ndarray) -> Graph:
    params: Weighted = node.params
    first = replace(node, params=with_rows(params, rows(params) / scale[:, None], params.bias / scale))
    second = replace(follower, params=with_scaled_inputs(follower.params, scale))
    changed = {node.name: first, follower.name: second}
    return replace(graph, nodes=tuple(changed.get(n.name, n) for n in graph.nodes))


def _scale(activations: np.ndarray, follower: Weighted) -> np.ndarray:
    """(channels,) float64 what the first layer is divided and the second multiplied by. A dead channel keeps its own."""
    alive = np.where(activations > 0, activations, 1.0)
    if isinstance(follower, DepthwiseConv2d):
        return alive
    weights = input_maxima(follower, len(activations))
    return np.where(weights > 0, np.sqrt(alive / np.where(weights > 0, weights, 1.0)), alive)
