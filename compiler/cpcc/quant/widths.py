"""Which tensors are int16, and the conversions where they meet int8 ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cpcc.graph import Float32, Graph, Int8, Node, Tensor
from cpcc.ops import op_of
from cpcc.ops.float_params import Concat, Convert
from cpcc.quant.running import Ranges

ALL_INT8: frozenset[str] = frozenset()


def wide_tensors(graph: Graph, layers: Iterable[str]) -> frozenset[str]:
    """Tensors to make int16 such that the nodes called `layers` read and write int16: their outputs, and their inputs with
    all that these are moved from. An input that an op without an int16 form computes stays int8 and is converted."""
    producers = {node.output: node for node in graph.nodes}
    wide: set[str] = set()

    def widen(tensor: str) -> None:
        node = producers.get(tensor)
        if tensor in wide or (node is not None and not has_int16(node)):
            return
        wide.add(tensor)
        if node is not None and keeps_type(node):
            for name in node.inputs:
                widen(name)

    chosen = set(layers)  # may name layers in any order
    for node in graph.nodes:
        if node.name in chosen and has_int16(node):
            for name in (node.output, *node.inputs):
                widen(name)
    for name in graph.outputs:
        wide.update(_moved_from_wide(name, producers, wide))
    return frozenset(wide)


def _moved_from_wide(output: str, producers: dict[str, Node], wide: set[str]) -> list[str]:
    """The tensors on the way from a wide one to an `output` that only moves its values; none where there is no such way."""
    way = [output]
    while way[-1] not in wide:
        node = producers.get(way[-1])
        if node is None or not keeps_type(node) or len(node.inputs) != 1:
            return []
        way.append(node.inputs[0])
    return way


def has_int16(node: Node) -> bool:
    """Whether the op of a float graph's `node` has a form with int16 activations."""
    return op_of(node, Float32).int16 is not None


def keeps_type(node: Node) -> bool:
    """Whether the output of a float graph's `node` has its input's type."""
    some = (Int8(1.0, 0),) * len(node.inputs)
    return op_of(node, Float32).output_type(node.params, some) == some[0] and has_int16(node)


def with_conversions(graph: Graph, ranges: Ranges, wide: frozenset[str]) -> tuple[Graph, Ranges, frozenset[str]]:
    """`graph` where every node reads tensors of the width it writes: a `Convert` before its first reader makes a tensor of
    the other width, for all readers at once. What a concat reads gets the range of its output."""
    tensors, nodes, made = dict(graph.tensors), [], {}
    for node in graph.nodes:
        inputs = []
        for name in node.inputs:
            to_wide = node.output in wide
            if (name in wide) == to_wide or isinstance(node.params, Convert):
                inputs.append(name)
                continue
            width, joined = "int16" if to_wide else "int8", isinstance(node.params, Concat)
            new = f"{name}.{width}.{node.output}" if joined else f"{name}.{width}"
            if new not in made:
                made[new] = ranges[node.output] if joined else ranges[name]
                tensors[new] = Tensor(new, graph.tensors[name].shape, Float32())
                nodes.append(Node(new, Convert(), (name,), new, node.source))
                wide |= {new} if to_wide else set()
            inputs.append(new)
        nodes.append(replace(node, inputs=tuple(inputs)))
    return replace(graph, tensors=tensors, nodes=tuple(nodes)), ranges | made, wide
