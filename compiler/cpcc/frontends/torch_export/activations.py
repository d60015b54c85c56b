"""Activations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpcc.frontends.torch_export.importer import Handler, Importer, Value
from cpcc.frontends.torch_export.source import kind, node_name, source_line
from cpcc.graph import Float32, Tensor
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch


def _relu(importer: Importer, node: torch.fx.Node) -> Value:
    value = importer.value(node)
    importer.storages += 1
    importer.tensors[node.name] = Tensor(node.name, importer.tensors[value.tensor].shape, Float32())
    importer.append(node_name(node), fp.Relu(), value.tensor, node.name, source_line(node))
    result = Value(node.name, value.shape, value.order, importer.storages)
    if kind(node).endswith("_"):
        importer.overwrite(value, result)
    return result


HANDLERS: dict[str, Handler] = {
    "relu": _relu,
    "relu_": _relu,
}
