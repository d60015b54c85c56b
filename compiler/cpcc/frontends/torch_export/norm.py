"""Batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cpcc.frontends.torch_export.importer import Handler, Importer, Value
from cpcc.frontends.torch_export.source import arguments, node_name, refuse, source_line
from cpcc.optimize import BatchNorm

if TYPE_CHECKING:
    import torch


def _batch_norm(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    if a.get("training"):
        raise refuse(node, "training mode", "", "evaluation mode, so call .eval() before the export")
    if len(value.shape) not in (2, 4):
        raise refuse(node, "input shape", value.shape, "(1, features) or (1, c, h, w)")
    variance = importer.required(node, "running_var")
    if (variance + a["eps"] <= 0).any():
        raise refuse(node, "a running variance", "below zero", "positive variances; train it again")
    gamma, beta = importer.weight(node, "weight"), importer.weight(node, "bias")
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + a["eps"])
    offset = (0.0 if beta is None else beta) - importer.required(node, "running_mean") * scale
    if len(value.shape) == 4:
        source, _ = importer.image(node)
        return importer.emit(node, BatchNorm(scale, offset), source, value.shape)
    return _vector_norm(importer, node, value, scale, offset)


def _vector_norm(importer: Importer, node: torch.fx.Node, value: Value, scale: np.ndarray, offset: np.ndarray) -> Value:
    if value.order is not None:
        scale, offset = (v.reshape(value.order).transpose(1, 2, 0).ravel() for v in (scale, offset))
    source = importer.vector(value, node_name(node), source_line(node))
    result = importer.emit(node, BatchNorm(scale, offset), source, value.shape)
    return Value(result.tensor, result.shape, value.order, result.storage)


HANDLERS: dict[str, Handler] = {
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
}
