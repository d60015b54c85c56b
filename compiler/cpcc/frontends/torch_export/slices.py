"""Parts, repetitions and borders of a tensor: each a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.slices import concatenated, expanded, flipped, padded, sliced, upsampled
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, kind, numbers, refuse, site

if TYPE_CHECKING:
    import torch


def _slice(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    axis = a["dim"] % len(value.shape)
    start, stop, step = slice(a["start"], a["end"], a["step"]).indices(value.shape[axis])
    return sliced(importer, site(node), value, axis, start, len(range(start, stop, step)), step)


def _narrow(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    axis = a["dim"] % len(value.shape)
    return sliced(importer, site(node), value, axis, a["start"] % value.shape[axis], a["length"])


def _select(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    axis = a["dim"] % len(value.shape)
    part = sliced(importer, site(node), value, axis, a["index"] % value.shape[axis], 1)
    return replace(part, shape=value.shape[:axis] + value.shape[axis + 1 :])


def _split(importer: Importer, node: torch.fx.Node) -> list[Value]:
    """Only the parts that are used become copies."""
    value, axis = importer.value(node), arguments(node).get("dim", 0) % len(importer.value(node).shape)
    used = {user.args[1] for user in node.users if user.users}
    parts, start = [], 0
    for i, result in enumerate(node.meta["val"]):
        count = 1 if kind(node) == "unbind" else result.shape[axis]
        part = sliced(importer, site(node), value, axis, start, count) if i in used else value
        parts.append(replace(part, shape=tuple(result.shape)))
        start += count
    return parts


def _cat(importer: Importer, node: torch.fx.Node) -> Value:
    sources: Any = arguments(node)["tensors"]
    values = [importer.operand(node, source) for source in sources]
    axis = arguments(node)["dim"]
    if kind(node) == "stack":
        axis %= len(values[0].shape) + 1
        values = [replace(v, shape=(*v.shape[:axis], 1, *v.shape[axis:])) for v in values]
    return concatenated(importer, site(node), values, axis % len(values[0].shape))


def _pad(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    if a.get("mode", "constant") != "constant" or (a.get("value") or 0) != 0:
        raise refuse(node, "padding with", a["value"] or a["mode"], "zeros")
    amounts = numbers(a["pad"])
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    return padded(importer, site(node), value, pairs)


def _upsample(importer: Importer, node: torch.fx.Node) -> Value:
    spatial = 1 if "1d" in kind(node) else 2
    out = tuple(node.meta["val"].shape)
    rows, columns = (1, out[-1]) if spatial == 1 else (out[-2], out[-1])
    return upsampled(importer, site(node), importer.value(node), spatial, rows, columns, out)


def _flip(importer: Importer, node: torch.fx.Node) -> Value:
    return flipped(importer, site(node), importer.value(node), arguments(node)["dims"])


def _expand(importer: Importer, node: torch.fx.Node) -> Value:
    return expanded(importer, site(node), importer.value(node), tuple(node.meta["val"].shape))


FAMILY = (
    Layers(("slice", "narrow", "select", "split", "chunk", "unbind"), "strided_copy", "",
           {"slice": _slice, "narrow": _narrow, "select": _select,
            **dict.fromkeys(("split", "split_with_sizes", "chunk", "unbind"), _split)}),
    Layers(("cat", "stack"), "concat", "inputs of other scales are converted by a lookup first",
           dict.fromkeys(("cat", "stack"), _cat)),
    Layers(("pad", "ZeroPad2d"), "pad", "zeros only", dict.fromkeys(("pad", "constant_pad_nd"), _pad)),
    Layers(("Upsample",), "strided_copy", "mode 'nearest', whole factors",
           dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), _upsample)),
    Layers(("flip", "expand"), "strided_copy", "", {"flip": _flip, "expand": _expand}),
)  # fmt: skip
