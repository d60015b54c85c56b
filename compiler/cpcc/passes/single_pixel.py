"""Convolutions whose window is the whole image become fully connected layers: the same numbers, and faster kernels.

They occur where a global pool comes before a 1x1 convolution, as in squeeze-and-excitation, and at a network's end."""

from __future__ import annotations

from dataclasses import replace

from cpcc.graph import Graph, Int8, Node, Tensor, validate
from cpcc.ops.conv2d import QConv2d
from cpcc.ops.float_params import Reshape
from cpcc.ops.linear import QLinear


def linear_where_single_pixel(graph: Graph) -> Graph:
    """`graph` with such layers replaced, each with a reshape behind it; itself where there are none."""
    nodes: list[Node] = []
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        if not _is_single(node, graph):
            nodes.append(node)
            continue
        output = graph.output_tensor(node)
        row = Tensor(f"{node.output}:row", (output.shape[2],), output.type)
        tensors[row.name] = row
        params = QLinear(node.params.matrix, node.params.output)
        nodes.append(replace(node, params=params, output=row.name))
        nodes.append(Node(f"{node.name}:pixel", Reshape(output.shape), (row.name,), output.name, node.source))
    if len(nodes) == len(graph.nodes):
        return graph
    return validate(replace(graph, tensors=tensors, nodes=tuple(nodes)), Int8)


def _is_single(node: Node, graph: Graph) -> bool:
    if not isinstance(node.params, QConv2d) or any(node.params.padding):
        return False
    return graph.tensors[node.inputs[0]].shape == node.params.weight.shape[1:]
