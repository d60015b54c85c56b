"""Functions of one value that a network writes out, each as one table.

Layers that compute every element from the same element of one tensor (activations, arithmetic with a number, products and sums
of such functions with one another) are together a function of that tensor. So GELU by its definition, ``x * sigmoid(x)`` or
``x * relu6(x + 3) / 6`` cost one load per element and are rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops.float_params import Add, Lookup, Mul, Relu, Reshape, WeightedSum
from cpcc.ops.formulas import Formula, Term
from cpcc.passes.batch_norm import BatchNorm

_PIECEWISE_AFFINE = (BatchNorm, Relu)


def fuse_pointwise(graph: Graph) -> Graph:
    """`graph` with each function of one tensor, as large as it can be, as one `Lookup`. A ReLU or a factor alone is left to
    cheaper forms; what something else reads too is kept."""
    sources = _functions_of(graph)
    for node in reversed(graph.nodes):
        if any(node is other for other in graph.nodes) and not isinstance(node.params, Reshape):
            candidates = (_between(graph, node, source) for source in reversed(sources[node.output][1:]))
            found = next((nodes for nodes in candidates if _private(graph, nodes) and _worth_it(nodes)), None)
            if found:
                graph = _fused(graph, found)
    return graph


def _functions_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    """By tensor, the tensors that it is a function of, element by element: itself first, then from near to far."""
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in graph.inputs}
    for node in graph.nodes:
        own = [found[name] for name in node.inputs] if _is_pointwise(node, graph) else [()]
        common = [name for name in own[0] if all(name in other for other in own)]
        found[node.output] = (node.output, *common)
    return found


def _is_pointwise(node: Node, graph: Graph) -> bool:
    params = node.params
    if isinstance(params, BatchNorm):
        return len(set(params.scale.tolist())) == len(set(params.offset.tolist())) == 1
    if isinstance(params, Mul | WeightedSum | Add):
        return len({t.shape for t in (*graph.input_tensors(node), graph.output_tensor(node))}) == 1
    return isinstance(params, Lookup | Relu | Reshape)


def _between(graph: Graph, sink: Node, source: str) -> list[Node]:
    """What computes the output of `sink` from the tensor `source`, in execution order."""
    wanted, nodes = {sink.output}, []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            nodes.append(node)
            wanted.update(name for name in node.inputs if name != source)
    return nodes[::-1]


def _private(graph: Graph, nodes: list[Node]) -> bool:
    """Whether nothing else reads what they compute on the way."""
    inner = {node.output for node in nodes[:-1]}
    readers = (node for node in graph.nodes if not inner.isdisjoint(node.inputs))
    return inner.isdisjoint(graph.outputs) and all(any(node is own for own in nodes) for node in readers)


def _worth_it(nodes: list[Node]) -> bool:
    """Whether one table is less than they are: several layers, or a tensor with itself; but not a factor and a ReLU, which are
    one layer and have a form with int16 activations."""
    computing = [node for node in nodes if not isinstance(node.params, Reshape)]
    if all(isinstance(n.params, _PIECEWISE_AFFINE) and not _is_clipped(n) for n in computing):
        return False
    return len(computing) > 1 or len(computing[0].inputs) > 1


def _is_clipped(node: Node) -> bool:
    return isinstance(node.params, Relu) and node.params.ceiling < math.inf


def _fused(graph: Graph, nodes: list[Node]) -> Graph:
    """`graph` with `nodes` as one table, before a reshape where its input has another shape than its output."""
    sink, inner = nodes[-1], {node.output for node in nodes}
    (source,) = {name for node in nodes for name in node.inputs} - inner
    table = replace(sink, params=Lookup(_formula(nodes, source)), inputs=(source,))
    shape, wanted = graph.tensors[source].shape, graph.output_tensor(sink).shape
    gone = inner - {sink.output}
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name not in gone}
    new = [table]
    if shape != wanted:
        flat = f"{sink.output}.table"
        tensors[flat] = Tensor(flat, shape, Float32())
        new = [replace(table, output=flat),
               Node(f"{sink.name}.reshape", Reshape(wanted), (flat,), sink.output, sink.source)]  # fmt: skip
    rest: list[Node] = []
    for node in graph.nodes:
        rest.extend(new if node is sink else [] if any(node is own for own in nodes) else [node])
    return replace(graph, nodes=tuple(rest), tensors=tensors)


def _formula(nodes: Sequence[Node], source: str) -> Formula:
    """What `nodes` compute of the tensor `source`."""
    numbers, terms = {source: 0}, list[Term]()
    for node in nodes:
        operands = tuple(numbers[name] for name in node.inputs)
        if isinstance(node.params, Reshape):
            numbers[node.output] = operands[0]
            continue
        for term in _terms(node, operands, len(terms)):
            terms.append(term)
        numbers[node.output] = len(terms)
    return Formula(tuple(terms))


def _terms(node: Node, operands: tuple[int, ...], before: int) -> list[Term]:
    """One layer's terms, where so many stand `before` it."""
    params = node.params
    if isinstance(params, BatchNorm):
        return [Term("line", operands, (float(params.scale[0]), float(params.offset[0])))]
    if isinstance(params, Lookup):
        return _inlined(params, operands[0], before)
    if isinstance(params, Mul):
        return [Term("product", operands)]
    if isinstance(params, Relu):
        return [Term("clip", operands, (0.0, params.ceiling))]
    left, right = params.coefficients if isinstance(params, WeightedSum) else (1.0, 1.0)
    total = Term("sum", operands, (left, right))
    ceiling = params.ceiling if isinstance(params, WeightedSum) else np.inf
    return [total, Term("clip", (before + 1,), (0.0, ceiling))] if params.relu else [total]


def _inlined(params: Lookup, operand: int, before: int) -> list[Term]:
    if isinstance(params.function, str):
        return [Term(params.function, (operand,), params.arguments)]
    return [
        replace(t, operands=tuple(operand if i == 0 else i + before for i in t.operands)) for t in params.function.terms
    ]
