"""Fully connected layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cpcc.frontends.torch_export.importer import Handler, Importer, Value
from cpcc.frontends.torch_export.source import node_name, refuse
from cpcc.ops import float_params as fp
from cpcc.optimize import to_float32

if TYPE_CHECKING:
    import torch


def _linear(importer: Importer, node: torch.fx.Node) -> Value:
    value, weight = importer.value(node), importer.required(node, "weight")
    inputs = weight.shape[1]
    if math.prod(value.shape) != inputs:
        raise refuse(node, "input shape", value.shape, f"(1, {inputs})")
    if value.order is not None:  # columns from (c, h, w) to (h, w, c) order
        weight = weight.reshape(-1, *value.order).transpose(0, 2, 3, 1).reshape(-1, inputs)
    bias = importer.weight(node, "bias")
    bias = np.zeros(len(weight)) if bias is None else bias
    name = node_name(node)
    return importer.emit(
        node,
        fp.Linear(to_float32(weight, name), to_float32(bias, name)),
        value,
        (*value.shape[:-1], len(weight)),
    )


HANDLERS: dict[str, Handler] = {
    "linear": _linear,
}
