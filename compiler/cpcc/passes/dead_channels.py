"""Drops channels of an int8 graph that cannot change its output: the same function, exactly.

A channel is dead where every reader ignores it: its weights there are zero, or the channel has one value whatever the
input and that value, times the weights, goes into the reader's bias. At padded borders a reader sees the padding
instead, so a constant may be folded there only where it equals the padding. Of layers with the same weights the same
channels go, so that those stay the same and are stored once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpcc.fixedpoint import Requant, TfliteRequant, narrow, requantize
from cpcc.graph import Graph, Int8, Node, Tensor, validate
from cpcc.ops.avg_pool2d import QAvgPool2d
from cpcc.ops.conv2d import QConv2d
from cpcc.ops.depthwise_conv2d import QDepthwiseConv2d
from cpcc.ops.float_params import MaxPool2d, Reshape
from cpcc.ops.linear import QLinear
from cpcc.ops.lookup import QLookup
from cpcc.ops.mean import QMean
from cpcc.ops.relu import QRelu
from cpcc.ops.requantized import Output
from cpcc.tied_weights import tied_groups

CHANNELWISE = (
    QDepthwiseConv2d,
    MaxPool2d,
    QAvgPool2d,
    QRelu,
    QMean,
    QLookup,
)  # channel c of the output reads channel c alone


@dataclass(frozen=True, eq=False)
class Range:
    """int64 `low` and `high` (channels,) that a tensor's values stay within."""

    low: np.ndarray
    high: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        return self.low == self.high

    def including(self, value: int) -> Range:
        return Range(np.minimum(self.low, value), np.maximum(self.high, value))


def kept_channels(graph: Graph) -> dict[str, np.ndarray]:
    """Of every tensor from which `drop_dead_channels` takes some, the channels (k,) that stay, as they are numbered now."""
    masks = _kept(graph, value_ranges(graph))
    return {name: np.flatnonzero(mask) for name, mask in masks.items() if not mask.all()}


def drop_dead_channels(graph: Graph) -> Graph:
    """`graph` without its dead channels; its inputs and outputs keep theirs."""
    ranges = value_ranges(graph)
    keep = _kept(graph, ranges)
    if all(mask.all() for mask in keep.values()):
        return graph
    tensors = {name: _thinned(tensor, keep[name]) for name, tensor in graph.tensors.items()}
    nodes = tuple(_rewritten(node, keep, ranges, tensors) for node in graph.nodes)
    return validate(replace(graph, tensors=tensors, nodes=nodes), Int8)


def value_ranges(graph: Graph) -> dict[str, Range]:
    """Bounds of every tensor by channel, for any integer input."""
    ranges: dict[str, Range] = {}
    for name in graph.inputs:
        ranges[name] = _any(graph.tensors[name])
    for node in graph.nodes:
        found = _range_of(node, ranges[node.inputs[0]], graph)
        ranges[node.output] = _any(graph.output_tensor(node)) if found is None else found
    return ranges


def _any(tensor: Tensor) -> Range:
    channels, kind = tensor.shape[-1], tensor.integer
    return Range(np.full(channels, kind.low), np.full(channels, kind.high))


def _range_of(node: Node, x: Range, graph: Graph) -> Range | None:
    p: Any = node.params
    if isinstance(p, QConv2d):
        seen = x.including(p.pad_value) if any(p.padding) else x
        return _affine(by_channel(p, x.low.size), seen, p.output)
    if isinstance(p, QLinear):
        return _affine(by_channel(p, x.low.size), x, p.output)
    if isinstance(p, QDepthwiseConv2d):
        seen = x.including(p.pad_value) if any(p.padding) else x
        w = p.weight.reshape(-1, p.weight.shape[-1]).astype(np.int64)
        low, high = np.minimum(w * seen.low, w * seen.high), np.maximum(w * seen.low, w * seen.high)
        return _rounded(low.sum(axis=0), high.sum(axis=0), p.output)
    if isinstance(p, QAvgPool2d):
        return x.including(p.zero_point)
    if isinstance(p, MaxPool2d):
        return x
    if isinstance(p, QMean):
        total = p.pixels * (np.stack([x.low, x.high]) - p.in_zero_point)
        kind = graph.output_tensor(node).integer
        return Range(*requantize(total, p.requant, p.zero_point, kind.low, kind.high, kind.dtype).astype(np.int64))
    if isinstance(p, QLookup):
        reached = [p.table[low + 128 : high + 129] for low, high in zip(x.low, x.high)]
        return Range(*(np.array([pick(values) for values in reached], np.int64) for pick in (np.min, np.max)))
    if isinstance(p, QRelu):
        return Range(np.maximum(x.low, p.zero_point), np.maximum(x.high, p.zero_point))
    if isinstance(p, Reshape):
        size, channels = graph.output_tensor(node).size, graph.output_tensor(node).shape[-1]
        if channels == size or channels == x.low.size:
            return Range(np.tile(x.low, channels // x.low.size), np.tile(x.high, channels // x.high.size))
    return None


def by_channel(p: QConv2d | QLinear, channels: int) -> np.ndarray:
    """Weights as (out, places, channels): places are a kernel's taps, or the pixels of an image that is flattened."""
    return p.weight.reshape(len(p.weight), -1, channels)


def _affine(weight: np.ndarray, x: Range, output: Output) -> Range:
    w = weight.astype(np.int64)
    low, high = np.minimum(w * x.low, w * x.high), np.maximum(w * x.low, w * x.high)
    return _rounded(low.sum(axis=(1, 2)), high.sum(axis=(1, 2)), output)


def _rounded(low: np.ndarray, high: np.ndarray, output: Output) -> Range:
    """Requantization never decreases as the accumulator grows."""
    return Range(output.apply(low).astype(np.int64), output.apply(high).astype(np.int64))


def _kept(graph: Graph, ranges: dict[str, Range]) -> dict[str, np.ndarray]:
    """(channels,) bool by tensor. Starts from everything dead that may be, and revives what a rule forbids."""
    dead = {name: np.ones(tensor.shape[-1], bool) for name, tensor in graph.tensors.items()}
    for name in (*graph.inputs, *graph.outputs):
        dead[name][:] = False
    tied = tied_groups(graph)
    before = -1
    while before != (before := sum(int(mask.sum()) for mask in dead.values())):
        for node in reversed(graph.nodes):
            _revive(node, dead, ranges, graph)
        for group in tied:
            _revive_alike(group, dead)
    return {name: ~mask for name, mask in dead.items()}


def _revive(node: Node, dead: dict[str, np.ndarray], ranges: dict[str, Range], graph: Graph) -> None:
    p: Any = node.params
    source = node.inputs[0]
    if isinstance(p, (QConv2d, QLinear)):
        dead[source] &= _ignored(p, ~dead[node.output], ranges[source])
    elif isinstance(p, CHANNELWISE):
        both = dead[source] & dead[node.output]
        dead[source], dead[node.output] = both, both.copy()
    elif isinstance(p, Reshape) and dead[node.output].size % dead[source].size == 0:
        channels = dead[source].size
        dead[source] &= dead[node.output].reshape(-1, channels).all(axis=0)
        dead[node.output] = np.tile(dead[source], dead[node.output].size // channels)
    else:
        for name in (*node.inputs, node.output):
            dead[name][:] = False
    for name in (*node.inputs, node.output):
        if dead[name].all():
            dead[name][0] = False


def _revive_alike(group: Sequence[Node], dead: dict[str, np.ndarray]) -> None:
    """Leaves dead what is so around all nodes of the group."""
    for names in ([node.inputs[0] for node in group], [node.output for node in group]):
        alike = np.logical_and.reduce([dead[name] for name in names])
        dead.update((name, alike.copy()) for name in names)


def _ignored(p: QConv2d | QLinear, kept: np.ndarray, x: Range) -> np.ndarray:
    """Input channels that the kept outputs do not need."""
    unused = ~by_channel(p, x.low.size)[kept].any(axis=(0, 1))
    padded = isinstance(p, QConv2d) and any(p.padding)
    foldable = x.constant & (x.low == p.pad_value) if isinstance(p, QConv2d) and padded else x.constant
    return unused | foldable


def _thinned(tensor: Tensor, keep: np.ndarray) -> Tensor:
    return replace(tensor, shape=(*tensor.shape[:-1], int(keep.sum())))


def _rewritten(node: Node, keep: dict[str, np.ndarray], ranges: dict[str, Range], tensors: dict[str, Tensor]) -> Node:
    p: Any = node.params
    x, y = keep[node.inputs[0]], keep[node.output]
    if isinstance(p, (QConv2d, QLinear)):
        weight = by_channel(p, x.size)
        bias = p.output.bias + (weight[..., ~x].astype(np.int64) * ranges[node.inputs[0]].low[~x]).sum(axis=(1, 2))
        kept = weight[y][..., x]
        shape = (*p.weight.shape[1:-1], int(x.sum())) if isinstance(p, QConv2d) else (kept[0].size,)
        weight = np.ascontiguousarray(kept).reshape(len(kept), *shape)
        return replace(node, params=replace(p, weight=weight, output=_of_channels(p.output, bias, y)))
    if isinstance(p, QDepthwiseConv2d):
        weight = np.ascontiguousarray(p.weight[..., y])
        return replace(node, params=replace(p, weight=weight, output=_of_channels(p.output, p.output.bias, y)))
    if isinstance(p, Reshape):
        return replace(node, params=replace(p, shape=tensors[node.output].shape))
    return node


def _of_channels(output: Output, bias: np.ndarray, keep: np.ndarray) -> Output:
    requant = output.requant
    multiplier = requant.multiplier[keep]
    if isinstance(requant, TfliteRequant):
        thinned: Requant | TfliteRequant = TfliteRequant(multiplier, requant.shift[keep])
    else:
        thinned = Requant(multiplier, requant.left_shift)
    return replace(output, bias=narrow(bias[keep], output.bias.dtype.type), requant=thinned)


def dead_channels(before: Graph, after: Graph) -> Iterator[tuple[str, int]]:
    """(tensor, channels dropped) of every tensor that lost some."""
    for name, tensor in before.tensors.items():
        lost = tensor.shape[-1] - after.tensors[name].shape[-1]
        if (lost and len(tensor.shape) == 3) or (lost and math.prod(tensor.shape) == tensor.shape[-1]):
            yield name, lost
