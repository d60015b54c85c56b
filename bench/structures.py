"""Weights of int8 layers set to zero by magnitude, for measurements: single weights, 1x4 or 1x16 blocks, or ternary.

Biases stay, so the outputs mean nothing; the cost is that of a network pruned so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cpcc.graph import Graph, Node
from cpcc.ops.conv2d import QConv2d
from cpcc.ops.linear import QLinear

Structure = Callable[[np.ndarray, float], np.ndarray]


def _largest(size: np.ndarray, keep: float) -> np.ndarray:
    """Where `size` is among the largest `keep` of all (ties too), and not 0."""
    least = np.sort(size, axis=None)[-max(1, round(size.size * keep))]
    return size >= max(least, 1)


def single(weight: np.ndarray, keep: float) -> np.ndarray:
    """The smallest weights of the layer are 0."""
    return np.where(_largest(np.abs(weight.astype(np.int64)), keep), weight, 0).astype(np.int8)


def blocks(weight: np.ndarray, keep: float, block: int = 4) -> np.ndarray:
    """`block` consecutive inputs (fewer at a tap's end) are kept or pruned as one, by the sum of their magnitudes."""
    inputs = weight.shape[-1]
    size = np.pad(np.abs(weight.astype(np.int64)), [(0, 0)] * (weight.ndim - 1) + [(0, -inputs % block)])
    kept = _largest(size.reshape(*weight.shape[:-1], -1, block).sum(axis=-1), keep).repeat(block, axis=-1)
    return np.where(kept[..., :inputs], weight, 0).astype(np.int8)


def ternary(weight: np.ndarray, keep: float) -> np.ndarray:
    """What is left of `single` is 127 or -127, as the quantizer stores weights of one level."""
    return (127 * np.sign(single(weight, keep).astype(np.int64))).astype(np.int8)


STRUCTURES: dict[str, Structure] = {"single": single, "blocks": blocks, "ternary": ternary}


def pruned(graph: Graph, keep: float, structure: Structure = single) -> Graph:
    """Each convolution and fully connected layer pruned alike; depthwise layers stay."""

    def thinned(node: Node) -> Node:
        if not isinstance(node.params, (QConv2d, QLinear)):
            return node
        return replace(node, params=replace(node.params, weight=structure(node.params.weight, keep)))

    return replace(graph, nodes=tuple(thinned(node) for node in graph.nodes))
