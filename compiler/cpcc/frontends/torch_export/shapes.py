"""Views, and what is left out."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from cpcc.frontends.torch_export.final import DROPPED, RESHAPES
from cpcc.frontends.torch_export.importer import Handler, Importer, Value
from cpcc.frontends.torch_export.source import arguments, kind, refuse, unsupported

if TYPE_CHECKING:
    import torch


def _reshape(importer: Importer, node: torch.fx.Node) -> Value:
    """A view with the elements in the same order; costs nothing."""
    value = importer.value(node)
    return Value(value.tensor, tuple(node.meta["val"].shape), value.order, value.storage)


def _drop(importer: Importer, node: torch.fx.Node) -> Value:
    value, a = importer.value(node), arguments(node)
    if a.get("train") and a.get("p"):
        raise refuse(node, "training mode", "", "evaluation mode, so call .eval() before the export")
    if a.get("dtype") is not None:
        raise unsupported(node)
    if kind(node) == "clone":  # its own memory
        importer.storages += 1
        return Value(value.tensor, value.shape, value.order, importer.storages)
    return value


def _item(importer: Importer, node: torch.fx.Node) -> Value:
    """The first result of an operation with several; the others (indices, statistics) are not supported."""
    source, index = node.args
    if index != 0:
        raise unsupported(source)  # type: ignore[arg-type]
    return importer.values[source.name]  # type: ignore[union-attr,index]


HANDLERS: dict[str, Handler] = {
    str(operator.getitem): _item,
    **dict.fromkeys(RESHAPES, _reshape),
    **dict.fromkeys(DROPPED, _drop),
}
