"""How far int8 may be from PyTorch, element by element, in real units: from the scales and the parameters alone.

`quantization_error` is for int8 inputs and outputs against exact arithmetic on the floats they were rounded from; `float32_error` for
float32 against exact arithmetic. Nothing here is read from the quantizer: a coarser scale or another rounding is a difference.
GRU and LSTM, whose errors feed back: tests/test_recurrent_bounds.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from cpcc.graph import Int8
from cpcc.ops import float_params as fp
from torch_nodes import run_node

WEIGHTED = fp.Linear | fp.Conv2d | fp.DepthwiseConv2d
MOVES = fp.MaxPool2d | fp.Relu | fp.Reshape | fp.Concat | fp.Pad | fp.StridedCopy  # never further apart than the inputs
UNIT = 2.0**-24  # of float32: largest relative error of one rounding
FEW_LEVELS = 16 / 15  # a row of few levels takes a scale of which their step is a whole multiple, at least 15

# Largest slope of each function, given the largest magnitude of its argument.
SLOPES: dict[str, Callable[..., float]] = {
    "identity": lambda x: 1, "clip": lambda x, low, high: 1, "leaky_relu": lambda x, slope=0.01: max(1, abs(slope)),
    "sigmoid": lambda x: 1 / 4, "hardsigmoid": lambda x: 1 / 6, "hardswish": lambda x: 1.5, "tanh": lambda x: 1, "silu": lambda x: 1.1,
    "mish": lambda x: 1.09, "gelu": lambda x: 1.13, "gelu_tanh": lambda x: 1.13, "softplus": lambda x: 1, "log_sigmoid": lambda x: 1,
    "elu": lambda x: 1, "abs": lambda x: 1, "square": lambda x: 2 * x, "exp": math.exp, "line": lambda x, scale, offset: abs(scale),
}  # fmt: skip


def by_torch(params: Any, *inputs: np.ndarray) -> np.ndarray:
    """`run_node` for each of the samples (n, ...), in the type of the inputs."""
    samples = zip(*(torch.from_numpy(x) for x in inputs))
    return np.stack([run_node(params, *sample).numpy() for sample in samples])


def linear_part(params: WEIGHTED, weight: np.ndarray, bias: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The layer with another `weight` and `bias` and no ReLU."""
    return by_torch(replace(params, weight=weight, bias=bias, relu=False), x)


def outputs_first(params: WEIGHTED) -> np.ndarray:
    """float64 weights (outputs, k)."""
    weight = params.weight.astype(np.float64)
    return (
        weight.reshape(-1, weight.shape[-1]).T
        if isinstance(params, fp.DepthwiseConv2d)
        else weight.reshape(len(weight), -1)
    )


def multiplier_error(largest: float | np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    """Steps that half a unit of a 31-bit multiplier makes of sums up to `largest`: the multiplier of the largest `scale` (output
    steps per unit of the sum) lies between 2^30 and 2^31."""
    left_shift = math.ceil(math.log2(max(1.0, 2 * float(np.max(scale)))))
    return np.asarray(largest) * 2.0 ** (left_shift - 33)


def weighted_error(params: WEIGHTED, x: np.ndarray, kind: Int8, out: Int8) -> np.ndarray:
    """Half a step of each input, weight, bias and output. A weight of 0 is exact."""
    rows, zeros = outputs_first(params), np.zeros_like(params.bias)
    largest = np.abs(rows).max(axis=1) / 127 * FEW_LEVELS
    big = np.abs(params.bias.astype(np.float64)) / (kind.scale * 2.0**28)  # where the bias decides the scale
    scales = np.maximum(largest, big)
    from_inputs = linear_part(params, np.abs(params.weight), zeros, np.full_like(x, kind.scale / 2))
    used = (params.weight != 0).astype(np.float64)
    from_weights = linear_part(params, used, zeros, np.abs(x) + kind.scale / 2) * (scales / 2)
    from_bias = np.where(params.bias == 0, 0, kind.scale * scales / 2)
    sums = 127 * 255 * np.count_nonzero(rows, axis=1) + 2.0**29
    return (
        from_inputs
        + from_weights
        + from_bias
        + out.scale * (0.5 + multiplier_error(sums, kind.scale * scales / out.scale))
    )


def average_error(params: fp.AvgPool2d, x: np.ndarray, kind: Int8) -> np.ndarray:
    return by_torch(params, np.full_like(x, kind.scale / 2)) + kind.scale / 2


def sum_error(params: fp.Add | fp.WeightedSum, kinds: tuple[Int8, ...], out: Int8) -> float:
    """The multipliers of an `Add` have 15 bits, those of a `WeightedSum` as many as keep the sum in int32; up to 22 behind the point."""
    factors = params.coefficients if isinstance(params, fp.WeightedSum) else (1.0, 1.0)
    steps = [abs(f) * k.scale for f, k in zip(factors, kinds)]
    ratios = [s / out.scale for s in steps]
    places = (
        14 - math.ceil(math.log2(max(ratios)))
        if isinstance(params, fp.Add)
        else 30 - math.ceil(math.log2(130 + 258 * sum(ratios)))
    )
    return sum(steps) / 2 + out.scale * (0.5 + 255 / 2.0 ** min(places, 22))


def product_error(a: np.ndarray, b: np.ndarray, kinds: tuple[Int8, ...], out: Int8) -> np.ndarray:
    half_a, half_b = (kind.scale / 2 for kind in kinds)
    of_operands = by_torch(fp.WeightedSum((half_b, half_a)), np.abs(a), np.abs(b)) + half_a * half_b
    return of_operands + out.scale * (0.5 + multiplier_error(255.0**2, kinds[0].scale * kinds[1].scale / out.scale))


def softmax_error(params: fp.Softmax, x: np.ndarray, kind: Int8, out: Int8) -> np.ndarray:
    """Arguments off by e change a probability p by at most p (exp(2 e) - 1). The exponentials' polynomial is good to 1e-6, each
    is rounded to 2^-19 in the sum, which is at least 1."""
    p = by_torch(params, x)
    arithmetic = p * (x.shape[-1] * 2.0**-20 + 1e-6) + 2.0**-27
    return p * math.expm1(params.beta * kind.scale) + arithmetic + out.scale / 2


def log_softmax_error(x: np.ndarray, kind: Int8, out: Int8) -> np.ndarray:
    """Arguments off by e change a logarithm of a probability by at most 2 e. The logarithm of the sum, as good as its exponentials,
    and the distances are rounded to 2^-26 several times. What is more than 20 below the maximum counts as 20."""
    further = np.maximum(x.max(axis=-1, keepdims=True) - x - 20, 0)
    return further + kind.scale + x.shape[-1] * 2.0**-20 + 1e-6 + out.scale / 2


def slope_of(params: fp.Lookup | fp.ChannelLookup, largest: float) -> float | np.ndarray:
    if isinstance(params, fp.Lookup):
        assert isinstance(params.function, str)
        return SLOPES[params.function](largest, *params.arguments)
    return np.array([SLOPES[params.function](largest, *own) for own in zip(*params.arguments)])


def table_error(params: fp.Lookup | fp.ChannelLookup, x: np.ndarray, kind: Int8, out: Int8) -> np.ndarray:
    slope = slope_of(params, float(np.abs(x).max()) + kind.scale / 2)
    return np.resize(slope * np.array(kind.scale / 2), x.shape[1:]) + out.scale / 2


def quantization_error(params: Any, x: list[np.ndarray], kinds: tuple[Int8, ...], out: Int8) -> np.ndarray | float:
    """Bound of |int8 - PyTorch| for the float64 samples `x` (n, ...) of each input, rounded to `kinds`, and an output of the type `out`,
    both clipped to what `out` can hold. Broadcasts to the output's shape."""
    first, kind = x[0], kinds[0]
    if isinstance(params, WEIGHTED):
        return weighted_error(params, first, kind, out)
    if isinstance(params, MOVES):
        return kind.scale / 2
    if isinstance(params, fp.AvgPool2d):
        return average_error(params, first, kind)
    if isinstance(params, fp.Add | fp.WeightedSum):
        return sum_error(params, kinds, out)
    if isinstance(params, fp.Mul):
        return product_error(*x, kinds, out)
    if isinstance(params, fp.Softmax):
        return softmax_error(params, first, kind, out)
    if isinstance(params, fp.LogSoftmax):
        return log_softmax_error(first, kind, out)
    if isinstance(params, fp.Lookup | fp.ChannelLookup):
        return table_error(params, first, kind, out)
    assert isinstance(params, fp.Mean | fp.Convert)
    pixels = params.pixels if isinstance(params, fp.Mean) else 1
    rounding = multiplier_error(255.0 * pixels, kind.scale / (pixels * out.scale))
    return kind.scale / 2 + out.scale * (0.5 + float(rounding))


def float32_error(params: Any, x: list[np.ndarray]) -> np.ndarray | float:
    """Bound of |PyTorch in float32 - exact| for float64 samples `x`, which are rounded to float32 first. A sum of n products in any
    order is good to n units of the sum of their magnitudes (Higham 2002, section 3.1); a function of one value, to eight units."""
    first = x[0]
    if isinstance(params, WEIGHTED):
        count = outputs_first(params).shape[1] + 3
        return count * UNIT * linear_part(params, np.abs(params.weight), np.abs(params.bias), np.abs(first))
    if isinstance(params, MOVES | fp.Convert):
        return UNIT * float(max(np.abs(v).max() for v in x))
    if isinstance(params, fp.AvgPool2d | fp.Mean):
        pixels = first.shape[1] * first.shape[2]
        return (pixels + 2) * UNIT * by_torch(params, np.abs(first))
    if isinstance(params, fp.Add | fp.WeightedSum):
        factors = params.coefficients if isinstance(params, fp.WeightedSum) else (1.0, 1.0)
        return 4 * UNIT * by_torch(fp.WeightedSum((abs(factors[0]), abs(factors[1]))), *(np.abs(v) for v in x))
    if isinstance(params, fp.Mul):
        return 4 * UNIT * by_torch(params, *(np.abs(v) for v in x))
    if isinstance(params, fp.LogSoftmax):
        return UNIT * (8 * np.abs(first).max() + first.shape[-1] + 8)
    if isinstance(params, fp.Softmax):
        return by_torch(params, first) * UNIT * (8 * params.beta * np.abs(first).max() + first.shape[-1] + 8)
    assert isinstance(params, fp.Lookup | fp.ChannelLookup)
    slope = slope_of(params, float(np.abs(first).max()) + 1e-6)
    return 8 * UNIT * (np.abs(by_torch(params, first)) + np.resize(slope, first.shape[1:]) * np.abs(first) + 1)
