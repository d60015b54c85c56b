"""Parts, repetitions and borders of a tensor: each a copy."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer, Value
from cpcc.frontends.torch_export.layout import merged, ordered, per_axis
from cpcc.frontends.torch_export.source import arguments, kind, node_name, numbers, refuse, source_line
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch


def _axes(importer: Importer, node: torch.fx.Node, value: Value) -> tuple[Value, list[tuple[int, int]]]:
    """`value` with one (size, stride) per axis of torch's; copied into torch's order where an axis has several."""
    axes = per_axis(value.factors, value.shape)
    if axes is None or any(len(merged(axis)) > 1 for axis in axes):
        value = importer.vector(value, node_name(node), source_line(node))
        axes = per_axis(value.factors, value.shape)
    assert axes is not None
    return value, [merged(axis)[0] if merged(axis) else (1, 0) for axis in axes]


def _memory_order(axes: list[tuple[int, int]]) -> list[int]:
    """Axes as they lie in memory, outermost first: a copy in this order reads forwards."""
    return sorted(range(len(axes)), key=lambda axis: -axes[axis][1])


def sliced(
    importer: Importer, node: torch.fx.Node, value: Value, axis: int, start: int, count: int, step: int = 1
) -> Value:
    """Elements `start`, `start + step`, ... of one axis."""
    if count == value.shape[axis]:
        return value
    value, axes = _axes(importer, node, value)
    offset = start * axes[axis][1]
    axes[axis] = (count, step * axes[axis][1])
    return _copied(importer, node, value, axes, offset)


def _copied(importer: Importer, node: torch.fx.Node, value: Value, axes: list[tuple[int, int]], offset: int) -> Value:
    order, sizes = _memory_order(axes), [size for size, _ in axes]
    loops = merged([axes[axis] for axis in order])
    shape = tuple(sizes[axis] for axis in order if sizes[axis] > 1) or (1,)
    graph_shape = shape if len(shape) == 3 else (1,) * (3 - len(shape)) + shape if 1 < len(shape) < 3 else shape
    if len(graph_shape) > 3:
        graph_shape = (math.prod(shape),)
    result = importer.copied(value, graph_shape, loops, offset, node_name(node), source_line(node))
    return replace(result, shape=tuple(sizes), factors=ordered(sizes, order))


def _slice(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    axis = a["dim"] % len(value.shape)
    start, stop, step = slice(a["start"], a["end"], a["step"]).indices(value.shape[axis])
    return sliced(importer, node, value, axis, start, len(range(start, stop, step)), step)


def _narrow(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    axis = a["dim"] % len(value.shape)
    return sliced(importer, node, value, axis, a["start"] % value.shape[axis], a["length"])


def _select(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    axis = a["dim"] % len(value.shape)
    part = sliced(importer, node, value, axis, a["index"] % value.shape[axis], 1)
    return replace(part, shape=value.shape[:axis] + value.shape[axis + 1 :])


def _split(importer: Importer, node: torch.fx.Node) -> list[Value]:
    """Only the parts that are used become copies."""
    value, axis = importer.value(node), arguments(node).get("dim", 0) % len(importer.value(node).shape)
    used = {user.args[1] for user in node.users if user.users}
    parts, start = [], 0
    for i, result in enumerate(node.meta["val"]):
        count = 1 if kind(node) == "unbind" else result.shape[axis]
        part = sliced(importer, node, value, axis, start, count) if i in used else value
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
    return _concatenated(importer, node, values, axis % len(values[0].shape))


def _concatenated(importer: Importer, node: torch.fx.Node, values: list[Value], axis: int) -> Value:
    """All inputs in the memory order of the first."""
    first, axes = _axes(importer, node, values[0])
    order = _memory_order(axes)
    shape = (*first.shape[:axis], sum(v.shape[axis] for v in values), *first.shape[axis + 1 :])
    position = order.index(axis)
    parts = []
    for value in values:
        flat = _around([value.shape[i] for i in order], position)
        parts.append(importer.laid_out(value, value.shape, order, node_name(node), source_line(node), flat))
    result = importer.fresh(node.name, shape, _around([shape[i] for i in order], position), (0, 1, 2))
    importer.append(node_name(node), fp.Concat(1), tuple(p.tensor for p in parts), node.name, source_line(node))
    return replace(result, factors=ordered(shape, order))


def _around(sizes: list[int], position: int) -> tuple[int, int, int]:
    """Sizes before, at and behind `position`, each as one axis."""
    return math.prod(sizes[:position]), sizes[position], math.prod(sizes[position + 1 :])


def _pad(importer: Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    if a.get("mode", "constant") != "constant" or (a.get("value") or 0) != 0:
        raise refuse(node, "padding with", a["value"] or a["mode"], "zeros")
    amounts = numbers(a["pad"])
    if min(amounts) < 0:
        raise refuse(node, "padding", amounts, "0 or more; slice instead")
    spatial = min(len(value.shape) - 2, 2)
    if spatial < 1 or len(amounts) > 2 * spatial + 2:
        raise refuse(node, "padding", amounts, "the last axes of (1, c, length) or (1, c, h, w)")
    source, (c, h, w) = importer.image(node, value, spatial)
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    pairs += [(0, 0)] * (spatial + 1 - len(pairs))
    width, height, channels = (pairs[0], (0, 0), pairs[1]) if spatial == 1 else (pairs[0], pairs[1], pairs[2])
    params = fp.Pad((height[0], width[0], channels[0]), (height[1], width[1], channels[1]))
    image = (c + sum(channels), h + sum(height), w + sum(width))
    return importer.emit_image(node, params, (source,), tuple(node.meta["val"].shape), image)


def _upsample(importer: Importer, node: torch.fx.Node) -> Value:
    spatial = 1 if "1d" in kind(node) else 2
    value, (c, h, w) = importer.image(node, importer.value(node), spatial)
    out = node.meta["val"].shape
    rows, columns = (1, out[-1]) if spatial == 1 else (out[-2], out[-1])
    if rows % h or columns % w:
        raise refuse(node, "upsampling", f"({h}, {w}) to ({rows}, {columns})", "whole factors")
    loops = merged(((h, w * c), (rows // h, 0), (w, c), (columns // w, 0), (c, 1)))
    result = importer.fresh(node.name, tuple(out), (c, rows, columns), (1, 2, 0))
    params = fp.StridedCopy((rows, columns, c), loops)
    importer.append(node_name(node), params, (value.tensor,), node.name, source_line(node))
    return result


def _flip(importer: Importer, node: torch.fx.Node) -> Value:
    value, axes = _axes(importer, node, importer.value(node))
    order, offset = _memory_order(axes), 0
    for axis in arguments(node)["dims"]:
        size, stride = axes[axis]
        offset += (size - 1) * stride
        axes[axis] = (size, -stride)
    loops = merged([axes[axis] for axis in order])
    shape = importer.tensors[value.tensor].shape
    result = importer.copied(value, shape, loops, offset, node_name(node), source_line(node))
    return replace(result, storage=importer.new_storage())


def _expand(importer: Importer, node: torch.fx.Node) -> Value:
    """Repeats axes of size 1: strides of 0, copied where a layer needs the memory."""
    value, out = importer.value(node), tuple(node.meta["val"].shape)
    value, axes = _axes(importer, node, value)
    sizes = (1,) * (len(out) - len(value.shape)) + value.shape
    strides = [0] * (len(out) - len(value.shape)) + [stride for _, stride in axes]
    factors = [(n, stride if size > 1 else 0) for n, size, stride in zip(out, sizes, strides)]
    return replace(value, shape=out, factors=tuple(f for f in factors if f[0] > 1))


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
