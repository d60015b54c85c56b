"""Types that a model file prescribes: its own quantization, kept exactly.

A front end writes a `FakeQuantize` node wherever the file rounds a tensor. What such a node reads gets its type; where that has
another type already, the node becomes a table between the two. Tensors whose op only moves values share one type.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from cpcc.errors import ModelError
from cpcc.graph import Float32, Graph, Int8, Integer, Node
from cpcc.ops import op_of
from cpcc.ops.float_params import AvgPool2d, Concat, DepthwiseConv2d, Lookup

QUANTIZE_ALL = (
    "supported: QuantizeLinear and DequantizeLinear around every operator (quantize_static without nodes_to_exclude), or the float "
    "model with --calibrate"
)


@dataclass(frozen=True)
class FakeQuantize:
    """Values rounded to the grid of `type`: no op of a graph that is quantized, `prescribed` leaves none of them."""

    type: Int8


@dataclass
class _Typing:
    """The graph being rewritten: its new `nodes`, the `types` known so far, and what tensors that are gone are called now."""

    graph: Graph
    nodes: list[Node] = field(default_factory=list)
    types: dict[str, Integer] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)

    def visit(self, node: Node) -> None:
        node = replace(node, inputs=tuple(self.alias.get(name, name) for name in node.inputs))
        if isinstance(node.params, FakeQuantize):
            self.rounded(node, node.inputs[0], node.params.type)
            return
        if isinstance(node.params, Concat):
            node = self.with_one_type(node)
        if isinstance(node.params, AvgPool2d):
            node = self.with_own_type(node, node.params)
        self.nodes.append(node)
        kinds = [self.types.get(name) for name in node.inputs]
        if None not in kinds:
            forced = op_of(node, Float32).output_type(node.params, tuple(kinds))
            if forced is not None:
                self.types[node.output] = forced

    def rounded(self, node: Node, source: str, kind: Int8) -> None:
        """`source` gets the type `kind`, or is converted to it under the node's output."""
        if source not in self.types:
            self.refuse_other_readers(node)
            self.assign(source, kind)
        if self.types[source] == kind:
            self.alias[node.output] = source
            return
        self.nodes.append(replace(node, params=Lookup("identity"), inputs=(source,)))
        self.types[node.output] = kind

    def refuse_other_readers(self, node: Node) -> None:
        for other in self.graph.consumers(node.inputs[0]):
            if not isinstance(other.params, FakeQuantize):
                raise ModelError(f"{other.name}: reads what {node.name} rounds for others; {QUANTIZE_ALL}")

    def assign(self, tensor: str, kind: Integer) -> None:
        """The type of `tensor`, and of what is moved into it."""
        self.types[tensor] = kind
        producer = next((node for node in self.nodes if node.output == tensor), None)
        if producer is None:
            return
        some = (Int8(1.0, 0),) * len(producer.inputs)
        if op_of(producer, Float32).output_type(producer.params, some) == some[0]:
            for name in producer.inputs:
                if name not in self.types:
                    self.assign(name, kind)

    def with_own_type(self, node: Node, pool: AvgPool2d) -> Node:
        """A mean whose output has other steps than its input, as a convolution, which rounds once; windows must be alike."""
        readers = [n.params.type for n in self.graph.consumers(node.output) if isinstance(n.params, FakeQuantize)]
        if not readers or readers[0] == self.types.get(node.inputs[0]) or not _alike(pool):
            return node
        channels = self.graph.output_tensor(node).shape[2]
        sizes = [spans[0][1] - spans[0][0] for spans in (pool.rows, pool.cols)]
        steps = [spans[1][0] - spans[0][0] if len(spans) > 1 else 1 for spans in (pool.rows, pool.cols)]
        each = 1 / pool.divisors[0][0]
        weight = np.full((sizes[0], sizes[1], channels), each, np.float32)
        params = DepthwiseConv2d(
            weight, np.zeros(channels), (steps[0], steps[1]), (0, 0, 0, 0), weight_scales=np.array([each])
        )
        input_shape = self.graph.tensors[node.inputs[0]].shape if node.inputs[0] in self.graph.tensors else ()
        fits = bool(input_shape) and op_of(replace(node, params=params), Float32).infer_shape(params, input_shape)
        return replace(node, params=params) if fits == self.graph.output_tensor(node).shape else node

    def with_one_type(self, concat: Node) -> Node:
        """`concat` reading tensors of its output's type, through tables where theirs differ."""
        readers = [n.params.type for n in self.graph.consumers(concat.output) if isinstance(n.params, FakeQuantize)]
        kinds = [self.types.get(name) for name in concat.inputs]
        wanted = readers[0] if readers else kinds[0]
        inputs = []
        for i, (name, kind) in enumerate(zip(concat.inputs, kinds)):
            if kind is None or kind == wanted:
                inputs.append(name)
                continue
            output = f"{concat.output}.from{i}"
            self.nodes.append(Node(f"{concat.name}.from{i}", Lookup("identity"), (name,), output, concat.source))
            assert wanted is not None
            self.types[output] = wanted
            inputs.append(output)
        return replace(concat, inputs=tuple(inputs))


def _alike(pool: AvgPool2d) -> bool:
    """Whether every window has the same size, and the same distance from the one before it, and divides by its area."""
    for spans in (pool.rows, pool.cols):
        starts = [start for start, _ in spans]
        if len({stop - start for start, stop in spans}) != 1 or len(set(np.diff(starts).tolist())) > 1:
            return False
    (top, bottom), (left, right) = pool.rows[0], pool.cols[0]
    return (top, left) == (0, 0) and {d for row in pool.divisors for d in row} == {(bottom - top) * (right - left)}


def prescribed(graph: Graph) -> tuple[Graph, dict[str, Integer]]:
    """`graph` without `FakeQuantize` nodes, and the type of every tensor. Raises `ModelError` where one has none."""
    typing = _Typing(graph)
    for node in graph.nodes:
        typing.visit(node)
    outputs = tuple(typing.alias.get(name, name) for name in graph.outputs)
    shapes = graph.tensors | {n.output: replace(graph.tensors[n.inputs[0]], name=n.output) for n in typing.nodes
                              if n.output not in graph.tensors}  # fmt: skip
    tensors = {name: shapes[name] for name in (*graph.inputs, *(node.output for node in typing.nodes))}
    for node in typing.nodes:
        if node.output not in typing.types:
            raise ModelError(f"{node.name}: its result is not quantized; {QUANTIZE_ALL}")
    for name in graph.inputs:
        if name not in typing.types:
            raise ModelError(f"{graph.name}: input {name} is not quantized; {QUANTIZE_ALL}")
    return replace(graph, nodes=tuple(typing.nodes), tensors=tensors, outputs=outputs), typing.types
