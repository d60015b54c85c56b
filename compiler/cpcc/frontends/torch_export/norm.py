"""Batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cpcc.frontends.channels_first.affine import batch_norm
from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, refuse, site

if TYPE_CHECKING:
    import torch


def _batch_norm(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    if a.get("training"):
        raise refuse(node, "training mode", "", "evaluation mode, so call .eval() before the export")
    variance = importer.required(node, "running_var")
    if (variance + a["eps"] <= 0).any():
        raise refuse(node, "a running variance", "below zero", "positive variances; train it again")
    gamma, beta = importer.weight(node, "weight"), importer.weight(node, "bias")
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + a["eps"])
    offset = (0.0 if beta is None else beta) - importer.required(node, "running_mean") * scale
    return batch_norm(importer, site(node), value, scale, offset)


FAMILY = (
    Layers(
        ("BatchNorm1d", "BatchNorm2d"),
        "folded into the layer before it, else depthwise_conv2d with a 1x1 window",
        "evaluation mode",
        dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    ),
)
