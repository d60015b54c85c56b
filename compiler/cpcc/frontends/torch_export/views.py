"""Views, permutations and what is left out: no code, only another reading of the same memory."""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import TYPE_CHECKING

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.views import depth_to_space, permuted
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.final import DROPPED, RESHAPES
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, kind, refuse, site, unsupported

if TYPE_CHECKING:
    import torch


def _reshape(importer: Importer, node: torch.fx.Node) -> Value:
    """A view with the elements in the same order; costs nothing."""
    return replace(importer.value(node), shape=tuple(node.meta["val"].shape))


def _permute(importer: Importer, node: torch.fx.Node) -> Value:
    value, rank = importer.value(node), len(importer.value(node).shape)
    return permuted(importer, site(node), value, [axis % rank for axis in arguments(node)["dims"]])


def _transpose(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    rank = len(value.shape)
    order = list(range(rank))
    first, second = (a["dim0"] % rank, a["dim1"] % rank) if "dim0" in a else (0, rank - 1)
    order[first], order[second] = second, first
    return permuted(importer, site(node), value, order)


def _pixel_shuffle(importer: Importer, node: torch.fx.Node) -> Value:
    return depth_to_space(importer, site(node), importer.value(node), arguments(node)["upscale_factor"])


def _drop(importer: Importer, node: torch.fx.Node) -> Value:
    value, a = importer.value(node), arguments(node)
    if a.get("train") and a.get("p"):
        raise refuse(node, "training mode", "", "evaluation mode, so call .eval() before the export")
    if a.get("dtype") is not None:
        raise unsupported(node)
    return replace(value, storage=importer.new_storage()) if kind(node) == "clone" else value


def _item(importer: Importer, node: torch.fx.Node) -> Value:
    """One result of an operation with several; of indices and statistics only the first is supported."""
    source, index = node.args
    if source.name in importer.lists:  # type: ignore[union-attr,operator]
        return importer.lists[source.name][index]  # type: ignore[union-attr,index]
    if index != 0:
        raise unsupported(source)  # type: ignore[arg-type]
    return importer.values[source.name]  # type: ignore[union-attr,index]


FAMILY = (
    Layers(("Flatten", "Unflatten", "reshape", "view", "squeeze", "unsqueeze"), "nothing, or reshape", "",
           dict.fromkeys(RESHAPES, _reshape)),
    Layers(("permute", "transpose", "PixelShuffle"), "nothing, or strided_copy where the next layer needs the order", "",
           {"permute": _permute, "transpose": _transpose, "t": _transpose, "pixel_shuffle": _pixel_shuffle}),
    Layers(("Dropout",), "nothing", "evaluation mode", dict.fromkeys(DROPPED, _drop)),
    Layers((), "", "", {str(operator.getitem): _item}),
)  # fmt: skip
