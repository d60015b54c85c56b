"""Fully connected layers."""

from __future__ import annotations

import math

import numpy as np

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.site import Site
from cpcc.ops import float_params as fp
from cpcc.passes.batch_norm import to_float32


def linear(
    builder: GraphBuilder, site: Site, value: Value, weight: np.ndarray, bias: np.ndarray | None,
    scales: np.ndarray | None = None,
) -> Value:  # fmt: skip
    """``x @ weight.T + bias`` over the last axis: weight (outputs, inputs), bias (outputs,). `scales` are those of weights
    that are quantized already."""
    outputs, inputs = weight.shape
    if value.shape[-1] != inputs:
        raise site.refuse("input shape", value.shape, f"(1, {inputs})")
    bias = offsets(site, outputs, bias, scales)
    shape = (*value.shape[:-1], outputs)
    if math.prod(shape[:-1]) > 1:
        return _at_every_row(builder, site, value, weight, bias, scales)
    columns = builder.memory_order(value, weight) if builder.dense(value) else weight
    source = builder.dense_or_vector(value, site)
    return builder.emit(site, fp.Linear(to_float32(columns, site.name), bias, weight_scales=scales), source, shape)


def _at_every_row(
    builder: GraphBuilder, site: Site, value: Value, weight: np.ndarray, bias: np.ndarray, scales: np.ndarray | None
) -> Value:
    """One layer on each of several rows is a convolution with a 1x1 window."""
    outputs, inputs = weight.shape
    rows = math.prod(value.shape[:-1])
    source = builder.laid_out(value, (1, rows, inputs), (0, 1, 2), site)
    kernel = to_float32(weight[:, None, None, :], site.name)
    params = fp.Conv2d(kernel, bias, (1, 1), (0, 0, 0, 0), weight_scales=scales)
    result = builder.fresh(site.output, (*value.shape[:-1], outputs), (1, rows, outputs), (0, 1, 2))
    builder.append(site.name, params, (source.tensor,), site.output, site.line)
    return result


def offsets(site: Site, outputs: int, bias: np.ndarray | None, scales: np.ndarray | None) -> np.ndarray:
    """A bias (outputs,) in float32; in float64, which tells every int32 from its neighbours, beside prescribed `scales`."""
    values = np.zeros(outputs) if bias is None else bias
    checked = to_float32(values, site.name)
    return checked if scales is None else np.ascontiguousarray(values, np.float64)
