"""Fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.linear import linear
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import site

if TYPE_CHECKING:
    import torch


def _linear(importer: Importer, node: torch.fx.Node) -> Value:
    weight = importer.required(node, "weight")
    return linear(importer, site(node), importer.value(node), weight, importer.weight(node, "bias"))


FAMILY = (
    Layers(
        ("Linear",), "linear; conv2d with a 1x1 window where it is applied to several rows", "", {"linear": _linear}
    ),
)
