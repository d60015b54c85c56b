"""Batch normalisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer, Value
from cpcc.frontends.torch_export.source import arguments, node_name, refuse, source_line
from cpcc.optimize import BatchNorm

if TYPE_CHECKING:
    import torch


def _batch_norm(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    if a.get("training"):
        raise refuse(node, "training mode", "", "evaluation mode, so call .eval() before the export")
    if len(value.shape) not in (2, 3, 4):
        raise refuse(node, "input shape", value.shape, "(1, features), (1, c, length) or (1, c, h, w)")
    variance = importer.required(node, "running_var")
    if (variance + a["eps"] <= 0).any():
        raise refuse(node, "a running variance", "below zero", "positive variances; train it again")
    gamma, beta = importer.weight(node, "weight"), importer.weight(node, "bias")
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + a["eps"])
    offset = (0.0 if beta is None else beta) - importer.required(node, "running_mean") * scale
    if len(value.shape) == 2:
        return per_element(importer, node, value, scale, offset)
    source, image = importer.image(node, value, len(value.shape) - 2)
    return importer.emit_image(node, BatchNorm(scale, offset), (source,), value.shape, image)


def per_element(importer: Importer, node: torch.fx.Node, value: Value, scale: np.ndarray, offset: np.ndarray) -> Value:
    """``value * scale + offset`` with one scale and offset per element, both (n,) in torch's order.

    They are per channel where the graph tensor's last axis says so, else per element of the tensor as a vector."""
    name, line = node_name(node), source_line(node)
    source = value if importer.dense(value) else importer.vector(value, name, line)
    scale, offset = (importer.memory_order(source, v.reshape(-1)) for v in (scale, offset))
    channels = importer.tensors[source.tensor].shape[-1]
    rows = [v.reshape(-1, channels) for v in (scale, offset)]
    if all((v == v[0]).all() for v in rows):
        return importer.emit_like(node, BatchNorm(rows[0][0], rows[1][0]), source)
    vector = importer.reshaped(source, (math.prod(value.shape),), name, line)
    return importer.emit_like(node, BatchNorm(scale, offset), vector)


FAMILY = (
    Layers(
        ("BatchNorm1d", "BatchNorm2d"),
        "folded into the layer before it, else depthwise_conv2d with a 1x1 window",
        "evaluation mode",
        dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    ),
)
