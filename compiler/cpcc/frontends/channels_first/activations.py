"""Functions of one value, and softmax."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from cpcc.frontends.channels_first.affine import by_channel
from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.layout import ordered
from cpcc.frontends.channels_first.site import Site
from cpcc.ops import float_params as fp
from cpcc.passes.batch_norm import to_float32

SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)  # Klambauer et al. 2017
MOST_TABLES = 256  # of 256 bytes, which a byte per channel chooses from


def clip(low: float | None, high: float | None) -> fp.Relu | fp.Lookup:
    """A clamp from 0 can be fused into the layer before it, any other is a table."""
    low, high = -math.inf if low is None else float(low), math.inf if high is None else float(high)
    return fp.Relu(high) if low == 0 and high > 0 else fp.Lookup("clip", (low, high))


def power(site: Site, exponent: float) -> fp.Lookup:
    """A whole power: any other is no number for what is negative."""
    if exponent not in range(2, 9):
        raise site.refuse("exponent", exponent, "2 to 8, whole")
    return fp.Lookup("square") if exponent == 2 else fp.Lookup("power", (float(exponent),))


def activate(builder: GraphBuilder, site: Site, value: Value, params: Any) -> Value:
    """`params`, a function of one value, of every element."""
    return builder.emit_like(site, params, builder.dense_or_vector(value, site))


def prelu(builder: GraphBuilder, site: Site, value: Value, slopes: np.ndarray) -> Value:
    """``max(x, 0) + slope * min(x, 0)`` with one slope, or with `slopes` that broadcast to the value's shape: a table for each
    different one."""
    if (slopes == slopes.ravel()[0]).all():
        return activate(builder, site, value, fp.Lookup("leaky_relu", (float(slopes.ravel()[0]),)))
    different = len(np.unique(slopes))
    if different > MOST_TABLES:
        raise site.refuse("a slope of", f"{different} different values", f"up to {MOST_TABLES}")
    try:
        full = np.broadcast_to(slopes, value.shape)
    except ValueError:
        raise site.refuse("slopes of shape", slopes.shape, f"one that broadcasts to {value.shape}") from None
    source, (own,) = by_channel(builder, site, value, (full,))
    return builder.emit_like(site, fp.ChannelLookup("leaky_relu", (to_float32(own, site.name),)), source)


def softmax(builder: GraphBuilder, site: Site, value: Value, axis: int, params: fp.Softmax | fp.LogSoftmax) -> Value:
    """`params` along one axis, which must be last in memory."""
    rank = len(value.shape)
    order = [*(i for i in range(rank) if i != axis), axis]
    classes = value.shape[axis]
    shape = (1, math.prod(value.shape) // classes, classes)
    source = builder.laid_out(value, value.shape, order, site, shape)
    result = builder.fresh(site.output, value.shape, shape, (0, 1, 2))
    builder.append(site.name, params, (source.tensor,), site.output, site.line)
    return replace(result, factors=ordered(value.shape, order))
