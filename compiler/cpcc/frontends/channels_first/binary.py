"""Arithmetic of two tensors."""

from __future__ import annotations

import math
from dataclasses import replace

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.layout import merged, ordered, per_axis
from cpcc.frontends.channels_first.site import Site
from cpcc.ops import float_params as fp


def _order(value: Value) -> list[int] | None:
    """Axes as they lie in memory, outermost first; None where an axis lies in several pieces."""
    axes = per_axis(value.factors, value.shape)
    if axes is None or any(len(merged(axis)) > 1 for axis in axes):
        return None
    strides = [merged(axis)[0][1] if merged(axis) else -1 for axis in axes]
    return sorted(range(len(strides)), key=lambda axis: -strides[axis])


def together(
    builder: GraphBuilder, site: Site, values: list[Value], params: fp.Mul | fp.WeightedSum, out: tuple[int, ...]
) -> Value:
    """`params` of both values, broadcast to the shape `out`, in the memory order of the larger."""
    values = [replace(v, shape=(1,) * (len(out) - len(v.shape)) + v.shape) for v in values]
    largest = max(values, key=lambda v: math.prod(v.shape))
    order = _order(largest) or list(range(len(out)))
    long = [axis for axis in order if out[axis] > 1] or [order[-1]]
    if len(long) > 3:
        raise site.refuse("operands of shape", out, "at most 3 axes longer than 1")
    inputs = []
    for value in values:
        shape = (1,) * (3 - len(long)) + tuple(value.shape[axis] for axis in long)
        inputs.append(builder.laid_out(value, value.shape, order, site, shape).tensor)
    sizes = (1,) * (3 - len(long)) + tuple(out[axis] for axis in long)
    plain = params == fp.WeightedSum() and values[0].shape == values[1].shape
    result = builder.fresh(site.output, out, sizes, (0, 1, 2))
    # no broadcast, no factors: the plainer op
    builder.append(site.name, fp.Add() if plain else params, tuple(inputs), site.output, site.line)
    return replace(result, factors=ordered(out, order))
