"""Fully connected layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer, Value
from cpcc.frontends.torch_export.source import node_name, refuse, source_line
from cpcc.ops import float_params as fp
from cpcc.optimize import to_float32

if TYPE_CHECKING:
    import torch


def _linear(importer: Importer, node: torch.fx.Node) -> Value:
    value, weight = importer.value(node), importer.required(node, "weight")
    outputs, inputs = weight.shape
    if value.shape[-1] != inputs:
        raise refuse(node, "input shape", value.shape, f"(1, {inputs})")
    bias = importer.weight(node, "bias")
    bias = to_float32(np.zeros(outputs) if bias is None else bias, node_name(node))
    shape = (*value.shape[:-1], outputs)
    if math.prod(shape[:-1]) > 1:
        return _at_every_row(importer, node, value, weight, bias)
    columns = importer.memory_order(value, weight) if importer.dense(value) else weight
    source = value if importer.dense(value) else importer.vector(value, node_name(node), source_line(node))
    return importer.emit(node, fp.Linear(to_float32(columns, node_name(node)), bias), source, shape)


def _at_every_row(importer: Importer, node: torch.fx.Node, value: Value, weight: np.ndarray, bias: np.ndarray) -> Value:
    """One layer on each of several rows is a convolution with a 1x1 window."""
    outputs, inputs = weight.shape
    rows = math.prod(value.shape[:-1])
    source = importer.laid_out(value, (1, rows, inputs), (0, 1, 2), node_name(node), source_line(node))
    params = fp.Conv2d(to_float32(weight[:, None, None, :], node_name(node)), bias, (1, 1), (0, 0, 0, 0))
    result = importer.fresh(node.name, (*value.shape[:-1], outputs), (1, rows, outputs), (0, 1, 2))
    importer.append(node_name(node), params, (source.tensor,), node.name, source_line(node))
    return result


FAMILY = (
    Layers(
        ("Linear",), "linear; conv2d with a 1x1 window where it is applied to several rows", "", {"linear": _linear}
    ),
)
