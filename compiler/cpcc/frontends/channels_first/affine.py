"""``x * scale + offset`` with constants: batch normalisation, and arithmetic with a constant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.site import Site
from cpcc.passes.batch_norm import BatchNorm


def batch_norm(builder: GraphBuilder, site: Site, value: Value, scale: np.ndarray, offset: np.ndarray) -> Value:
    """One scale and offset per channel, both (channels,), of (1, features), (1, c, length) or (1, c, h, w)."""
    if len(value.shape) not in (2, 3, 4):
        raise site.refuse("input shape", value.shape, "(1, features), (1, c, length) or (1, c, h, w)")
    if scale.shape != offset.shape or scale.shape != value.shape[1:2]:
        raise site.refuse("parameters of shape", scale.shape, f"({value.shape[1]},)")
    if len(value.shape) == 2:
        return per_element(builder, site, value, scale, offset)
    source, image = builder.image(site, value, len(value.shape) - 2)
    return builder.emit_image(site, BatchNorm(scale, offset), (source,), value.shape, image)


def per_element(builder: GraphBuilder, site: Site, value: Value, scale: np.ndarray, offset: np.ndarray) -> Value:
    """``value * scale + offset`` with one scale and offset per element, both (n,) in the source's order."""
    source, (own_scale, own_offset) = by_channel(builder, site, value, (scale, offset))
    return builder.emit_like(site, BatchNorm(own_scale, own_offset), source)


def by_channel(
    builder: GraphBuilder, site: Site, value: Value, arrays: Sequence[np.ndarray]
) -> tuple[Value, list[np.ndarray]]:
    """`value` as a graph tensor, and `arrays` (n,), one number per element in the source's order, as the elements of that tensor
    take them in turn: one number per channel where the tensor's last axis says so, else per element of a vector."""
    source = builder.dense_or_vector(value, site)
    own = [builder.memory_order(source, v.reshape(-1)) for v in arrays]
    channels = builder.tensors[source.tensor].shape[-1]
    rows = [v.reshape(-1, channels) for v in own]
    if all((v == v[0]).all() for v in rows):
        return source, [v[0] for v in rows]
    return builder.reshaped(source, (math.prod(value.shape),), site), own


def with_constants(
    builder: GraphBuilder, site: Site, value: Value, scale: np.ndarray, offset: np.ndarray, shape: tuple[int, ...]
) -> Value:
    """``value * scale + offset`` of `shape`, for constants that broadcast to it."""
    if math.prod(shape) != math.prod(value.shape):
        raise site.refuse("a constant larger than the tensor", shape, value.shape)
    full = [np.broadcast_to(v, shape).astype(np.float64) for v in (scale, offset)]
    return per_element(builder, site, replace(value, shape=shape), full[0], full[1])
