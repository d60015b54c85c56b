"""One type around all calls of one layer, so that its constants are equal and stored once.

Biases and multipliers, which fast kernels keep between the weights, follow from a call's input and output types. Two branches that share an
encoder see much the same ranges: their union costs little. Where a call would lose more than a bit, each keeps its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from cpcc.graph import Float32, Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.quant.running import Ranges
from cpcc.quant.widths import keeps_type

MOST = 2.0  # times a tensor's own range


def with_shared_ranges(graph: Graph, ranges: Ranges, wide: frozenset[str]) -> Ranges:
    """`ranges` in which the inputs of the calls of a layer have one range, and so have the outputs, where that is no more than
    `MOST` times what each has. int16 tensors keep theirs."""
    calls: dict[Hashable, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node.params, Linear | Conv2d | DepthwiseConv2d):
            calls.setdefault(_constants(node.params), []).append(node)
    producers = {node.output: node for node in graph.nodes}
    equal: list[set[str]] = []
    for nodes in calls.values():
        if len(nodes) > 1:
            equal.append({_origin(node.inputs[0], producers) for node in nodes})
            equal.append({node.output for node in nodes})
    for names in _joined(equal):
        if not names & wide and all(_calibrated(name, producers) for name in names):
            ranges = ranges | _common(ranges, names)
    return ranges


def _constants(params: Linear | Conv2d | DepthwiseConv2d) -> Hashable:
    return (
        type(params),
        params.weight.shape,
        params.weight.tobytes(),
        params.bias.tobytes(),
        params.relu,
        params.ceiling,
    )


def _origin(tensor: str, producers: dict[str, Node]) -> str:
    """The tensor whose range decides the type of `tensor`."""
    node = producers.get(tensor)
    return _origin(node.inputs[0], producers) if node is not None and keeps_type(node) else tensor


def _calibrated(tensor: str, producers: dict[str, Node]) -> bool:
    """Whether a range decides the tensor's type, and not its op."""
    node = producers.get(tensor)
    return node is None or op_of(node, Float32).output_type(node.params, (Int8(1.0, 0),) * len(node.inputs)) is None


def _joined(sets: Iterable[set[str]]) -> list[set[str]]:
    """The sets, those that have a tensor in common as one."""
    found: list[set[str]] = []
    for names in sets:
        apart = [other for other in found if not other & names]
        found = [*apart, names.union(*(other for other in found if other & names))]
    return found


def _common(ranges: Ranges, names: set[str]) -> Ranges:
    """The union of the ranges of `names`, all of which contain 0 then, for each; nothing where it is too wide for one."""
    low, high = min(0.0, *(ranges[name][0] for name in names)), max(0.0, *(ranges[name][1] for name in names))
    own = min(max(ranges[name][1], 0.0) - min(ranges[name][0], 0.0) for name in names)
    return dict.fromkeys(names, (low, high)) if high - low <= MOST * own else {}
