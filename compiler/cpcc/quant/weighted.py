"""The weights of linear, conv2d and depthwise_conv2d under one view: a matrix (outputs, inputs per output)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear

Weighted = Linear | Conv2d | DepthwiseConv2d


def rows(params: Weighted) -> np.ndarray:
    """Weights (outputs, k)."""
    if isinstance(params, DepthwiseConv2d):
        return params.weight.reshape(-1, params.weight.shape[-1]).T
    return params.weight.reshape(len(params.weight), -1)


def with_rows(params: Weighted, matrix: np.ndarray, bias: np.ndarray) -> Weighted:
    """`params` with other weights (outputs, k) and bias (outputs,)."""
    ordered = matrix.T if isinstance(params, DepthwiseConv2d) else matrix
    weight = np.ascontiguousarray(ordered.reshape(params.weight.shape), np.float32)
    return replace(params, weight=weight, bias=np.ascontiguousarray(bias, np.float32))


def input_maxima(params: Weighted, channels: int) -> np.ndarray:
    """(channels,) largest magnitude that reads each channel of the input."""
    return np.abs(params.weight).reshape(-1, channels).max(axis=0)


def with_scaled_inputs(params: Weighted, scale: np.ndarray) -> Weighted:
    """`params` whose weights for input channel i are `scale[i]` times larger."""
    flat = params.weight.reshape(-1, len(scale)) * scale
    return replace(params, weight=np.ascontiguousarray(flat.reshape(params.weight.shape), np.float32))
