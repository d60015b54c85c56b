"""Parts, repetitions and borders of a tensor: each a copy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.layout import merged, ordered, per_axis
from cpcc.frontends.channels_first.site import Site
from cpcc.ops import float_params as fp

Axes = list[tuple[int, int]]


def axes_of(builder: GraphBuilder, site: Site, value: Value) -> tuple[Value, Axes]:
    """`value` with one (size, stride) per axis of the source's; copied into its order where an axis has several."""
    axes = per_axis(value.factors, value.shape)
    if axes is None or any(len(merged(axis)) > 1 for axis in axes):
        value = builder.vector(value, site)
        axes = per_axis(value.factors, value.shape)
    assert axes is not None
    return value, [merged(axis)[0] if merged(axis) else (1, 0) for axis in axes]


def memory_order(axes: Axes) -> list[int]:
    """Axes as they lie in memory, outermost first: a copy in this order reads forwards."""
    return sorted(range(len(axes)), key=lambda axis: -abs(axes[axis][1]))


def sliced(builder: GraphBuilder, site: Site, value: Value, axis: int, start: int, count: int, step: int = 1) -> Value:
    """Elements `start`, `start + step`, ... of one axis."""
    if count == value.shape[axis] and step == 1:
        return value
    value, axes = axes_of(builder, site, value)
    offset = start * axes[axis][1]
    axes[axis] = (count, step * axes[axis][1])
    return _copied(builder, site, value, axes, offset)


def _copied(builder: GraphBuilder, site: Site, value: Value, axes: Axes, offset: int) -> Value:
    order, sizes = memory_order(axes), [size for size, _ in axes]
    loops = merged([axes[axis] for axis in order])
    shape = tuple(sizes[axis] for axis in order if sizes[axis] > 1) or (1,)
    graph_shape = shape if len(shape) == 3 else (1,) * (3 - len(shape)) + shape if 1 < len(shape) < 3 else shape
    if len(graph_shape) > 3:
        graph_shape = (math.prod(shape),)
    result = builder.copied(value, graph_shape, loops, offset, site)
    return replace(result, shape=tuple(sizes), factors=ordered(sizes, order))


def concatenated(builder: GraphBuilder, site: Site, values: list[Value], axis: int) -> Value:
    """All inputs in the memory order of the first."""
    first, axes = axes_of(builder, site, values[0])
    order = memory_order(axes)
    shape = (*first.shape[:axis], sum(v.shape[axis] for v in values), *first.shape[axis + 1 :])
    position = order.index(axis)
    parts = []
    for value in values:
        flat = _around([value.shape[i] for i in order], position)
        parts.append(builder.laid_out(value, value.shape, order, site, flat))
    result = builder.fresh(site.output, shape, _around([shape[i] for i in order], position), (0, 1, 2))
    builder.append(site.name, fp.Concat(1), tuple(p.tensor for p in parts), site.output, site.line)
    return replace(result, factors=ordered(shape, order))


def _around(sizes: list[int], position: int) -> tuple[int, int, int]:
    """Sizes before, at and behind `position`, each as one axis."""
    return math.prod(sizes[:position]), sizes[position], math.prod(sizes[position + 1 :])


def padded(builder: GraphBuilder, site: Site, value: Value, pairs: Sequence[tuple[int, int]]) -> Value:
    """Zeros (before, after) the last axes of (1, c, length) or (1, c, h, w), innermost axis first, at most three."""
    if any(min(pair) < 0 for pair in pairs):
        raise site.refuse("padding", list(pairs), "0 or more; slice instead")
    spatial = min(len(value.shape) - 2, 2)
    if spatial < 1 or len(pairs) > spatial + 1:
        raise site.refuse("padding", list(pairs), "the last axes of (1, c, length) or (1, c, h, w)")
    source, (c, h, w) = builder.image(site, value, spatial)
    full = [*pairs, *[(0, 0)] * (spatial + 1 - len(pairs))]
    width, height, channels = (full[0], (0, 0), full[1]) if spatial == 1 else (full[0], full[1], full[2])
    params = fp.Pad((height[0], width[0], channels[0]), (height[1], width[1], channels[1]))
    image = (c + sum(channels), h + sum(height), w + sum(width))
    shape = (*value.shape[: -spatial - 1], image[0], *(image[1:] if spatial == 2 else image[2:]))
    return builder.emit_image(site, params, (source,), shape, image)


def upsampled(
    builder: GraphBuilder, site: Site, value: Value, spatial: int, rows: int, columns: int, out: tuple[int, ...]
) -> Value:
    """The image of `rows` and `columns` whose every pixel repeats the nearest one of `value`."""
    value, (c, h, w) = builder.image(site, value, spatial)
    if rows % h or columns % w:
        raise site.refuse("upsampling", f"({h}, {w}) to ({rows}, {columns})", "whole factors")
    loops = merged(((h, w * c), (rows // h, 0), (w, c), (columns // w, 0), (c, 1)))
    result = builder.fresh(site.output, out, (c, rows, columns), (1, 2, 0))
    builder.append(site.name, fp.StridedCopy((rows, columns, c), loops), (value.tensor,), site.output, site.line)
    return result


def flipped(builder: GraphBuilder, site: Site, value: Value, dims: Sequence[int]) -> Value:
    """`value` with the axes `dims` backwards."""
    value, axes = axes_of(builder, site, value)
    order, offset = memory_order(axes), 0
    for axis in dims:
        size, stride = axes[axis]
        offset += (size - 1) * stride
        axes[axis] = (size, -stride)
    loops = merged([axes[axis] for axis in order])
    shape = builder.tensors[value.tensor].shape
    result = builder.copied(value, shape, loops, offset, site)
    return replace(result, storage=builder.new_storage())


def expanded(builder: GraphBuilder, site: Site, value: Value, out: tuple[int, ...]) -> Value:
    """Repeats axes of size 1: strides of 0, copied where a layer needs the memory."""
    value, axes = axes_of(builder, site, value)
    sizes = (1,) * (len(out) - len(value.shape)) + value.shape
    strides = [0] * (len(out) - len(value.shape)) + [stride for _, stride in axes]
    factors = [(n, stride if size > 1 else 0) for n, size, stride in zip(out, sizes, strides)]
    return replace(value, shape=out, factors=tuple(f for f in factors if f[0] > 1))
