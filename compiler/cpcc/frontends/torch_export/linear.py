"""Fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.linear import linear
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import refuse, site, unsupported

if TYPE_CHECKING:
    import torch


def _linear(importer: Importer, node: torch.fx.Node) -> Value:
    weight = importer.required(node, "weight")
    return linear(importer, site(node), importer.value(node), weight, importer.weight(node, "bias"))


def _matmul(importer: Importer, node: torch.fx.Node) -> Value:
    """``x @ weight`` with a constant weight (inputs, outputs)."""
    first, second = node.args
    if getattr(second, "name", "") not in importer.constants or getattr(first, "name", "") in importer.constants:
        raise unsupported(node)
    weight = importer.constant(node, second, "weight")
    if weight.ndim != 2:
        raise refuse(node, "a weight of the shape", weight.shape, "(inputs, outputs)")
    return linear(importer, site(node), importer.operand(node, first), weight.T, None)


FAMILY = (
    Layers(
        ("Linear",), "linear; conv2d with a 1x1 window where it is applied to several rows", "", {"linear": _linear}
    ),
    Layers(("matmul", "@"), "as Linear", "a constant matrix on the right", {"matmul": _matmul, "mm": _matmul}),
)
