"""One type for all inputs of a concat: by sharing a range where nothing else reads an input, else by a conversion."""

from __future__ import annotations

from dataclasses import replace

from cpcc.graph import Float32, Graph, Int8, Node, Tensor
from cpcc.ops import op_of
from cpcc.ops.float_params import Concat, Convert, Lookup

Ranges = dict[str, tuple[float, float]]


def with_common_types(graph: Graph, ranges: Ranges, wide: frozenset[str]) -> tuple[Graph, Ranges, frozenset[str]]:
    """`graph`, `ranges` and `wide`, the tensors that are to be int16, such that the inputs of every concat get one type:
    in int8 through a table, in int16 through `Convert`."""
    for node in graph.nodes:
        if isinstance(node.params, Concat):
            known = set(graph.tensors)
            graph, ranges = _unify(graph, ranges, node, Convert() if node.output in wide else Lookup("identity"))
            wide |= (set(graph.tensors) - known) if node.output in wide else set()
    return graph, ranges, wide


def _unify(graph: Graph, ranges: Ranges, concat: Node, conversion: Convert | Lookup) -> tuple[Graph, Ranges]:
    if len({decider(graph, name) for name in concat.inputs}) == 1:
        return graph, ranges
    low, high = zip(*(ranges[decider(graph, name)] for name in concat.inputs))
    common = (min(low), max(high))
    for name in concat.inputs:
        if _free(graph, name):
            ranges = ranges | {decider(graph, name): common}
        elif ranges[decider(graph, name)] != common:
            graph, converted = _convert(graph, concat.output, name, conversion)
            ranges = ranges | {converted: common}
    return graph, ranges | {concat.output: common}


def _producer(graph: Graph, tensor: str) -> Node | None:
    return next((node for node in graph.nodes if node.output == tensor), None)


def _keeps_type(node: Node) -> bool:
    some = (Int8(1.0, 0),) * len(node.inputs)
    return op_of(node, Float32).output_type(node.params, some) is not None


def decider(graph: Graph, tensor: str) -> str:
    """The tensor whose range decides the type of `tensor`."""
    node = _producer(graph, tensor)
    return decider(graph, node.inputs[0]) if node is not None and _keeps_type(node) else tensor


def _free(graph: Graph, tensor: str) -> bool:
    """Whether nothing but the concat behind it reads `tensor` or what decides its type."""
    node = _producer(graph, tensor)
    if node is None or tensor in graph.outputs or len(list(graph.consumers(tensor))) != 1:
        return False
    return _free(graph, node.inputs[0]) if _keeps_type(node) and len(node.inputs) == 1 else not _keeps_type(node)


def _convert(graph: Graph, output: str, tensor: str, conversion: Convert | Lookup) -> tuple[Graph, str]:
    """`graph` where the concat that computes `output` reads `tensor` through a node that changes its type alone."""
    concat = _producer(graph, output)
    assert concat is not None
    name = f"{output}.from.{tensor}"
    node = Node(f"{concat.name}.from.{tensor}", conversion, (tensor,), name, concat.source)
    inputs = tuple(name if i == tensor else i for i in concat.inputs)
    at = graph.nodes.index(concat)
    nodes = (*graph.nodes[:at], node, replace(concat, inputs=inputs), *graph.nodes[at + 1 :])
    tensors = graph.tensors | {name: Tensor(name, graph.tensors[tensor].shape, Float32())}
    return replace(graph, nodes=nodes, tensors=tensors), name
