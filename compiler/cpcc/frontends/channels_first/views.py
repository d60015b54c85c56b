"""Permutations: no code, only another reading of the same memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.layout import merged, per_axis
from cpcc.frontends.channels_first.site import Site


def permuted(builder: GraphBuilder, site: Site, value: Value, order: Sequence[int]) -> Value:
    """`value` with its axes in `order`; costs nothing until a layer needs another order in memory."""
    axes = per_axis(value.factors, value.shape)
    if axes is None:
        value = builder.vector(value, site)
        axes = per_axis(value.factors, value.shape)
    assert axes is not None
    factors = merged([factor for axis in order for factor in axes[axis]])
    return replace(value, shape=tuple(value.shape[axis] for axis in order), factors=factors)


def depth_to_space(builder: GraphBuilder, site: Site, value: Value, r: int, channels_outer: bool = True) -> Value:
    """Blocks of ``r * r`` channels as pixels: (c r r, h, w) read as (c, r, r, h, w), or where not `channels_outer` as
    (r, r, c, h, w), then as (c, h, r, w, r)."""
    *batch, c, h, w = value.shape
    n, inner = len(batch), c // (r * r)
    blocks = (inner, r, r) if channels_outer else (r, r, inner)
    split = replace(value, shape=(*batch, *blocks, h, w))
    axes = (n, n + 3, n + 1, n + 4, n + 2) if channels_outer else (n + 2, n + 3, n, n + 4, n + 1)
    shuffled = permuted(builder, site, split, [*range(n), *axes])
    return replace(shuffled, shape=(*batch, inner, h * r, w * r))
