"""Bias correction: what rounding shifts a layer's output by on average is taken out of its bias.

Layer by layer in execution order: the inputs already come from the corrected layers before. Source: Nagel et al. 2019,
arXiv 1906.04721, section 4.2, with calibration samples in place of batch-norm statistics.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cpcc.graph import Float32, Graph, Integer, Node
from cpcc.ops import form_of, op_of
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.ops.requantized import weight_scales
from cpcc.quant.running import run_nodes
from cpcc.quant.weighted import rows, with_rows
from cpcc.records import by_name

SAMPLES = 32


def corrected(graph: Graph, types: dict[str, Integer], x: np.ndarray) -> Graph:
    """`graph` with other biases; `types` are its tensors' integer types, `x` (n, ...) float samples, of which `SAMPLES` do."""
    x = x[:SAMPLES]
    floats = run_nodes(graph, Float32, x)
    values = {name: types[name].quantize(part) for name, part in by_name(x, graph.inputs).items()}
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node.params, Linear | Conv2d | DepthwiseConv2d):
            node = _corrected_node(node, types, floats, values)
        nodes.append(node)
        quantized = _quantized(node, types)
        run = form_of(node, types[node.output]).run_int8
        values[node.output] = run(quantized, *(values[name] for name in node.inputs))
    return replace(graph, nodes=tuple(nodes))


def _quantized(node: Node, types: dict[str, Integer]) -> Any:
    inputs = tuple(types[name] for name in node.inputs)
    return form_of(node, types[node.output]).quantize(node.params, inputs, types[node.output])


def _corrected_node(
    node: Node, types: dict[str, Integer], floats: dict[str, np.ndarray], values: dict[str, np.ndarray]
) -> Node:
    """The mean difference before the activation, per output channel, less."""
    op, source = op_of(node, Float32), node.inputs[0]
    plain = replace(node.params, relu=False)
    rounded = replace(_rounded(node, types), relu=False)
    wanted = op.run_float(plain, floats[source])
    got = op.run_float(rounded, types[source].dequantize(values[source]))
    shift = (got - wanted).reshape(-1, wanted.shape[-1]).mean(axis=0)
    bias = np.ascontiguousarray(node.params.bias - shift, np.float32)
    return replace(node, params=replace(node.params, bias=bias))


def _rounded(node: Node, types: dict[str, Integer]) -> Any:
    """The float parameters that the int8 weights stand for."""
    x, y = types[node.inputs[0]], types[node.output]
    matrix, bias = rows(node.params), node.params.bias
    scales = weight_scales(matrix, bias, x, y)
    return with_rows(node.params, np.rint(matrix / scales[:, None]) * scales[:, None], bias)
