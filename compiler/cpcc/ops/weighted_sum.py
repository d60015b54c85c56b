"""``y = clamp(ca * a + cb * b)`` with broadcasting: addition and subtraction, each with a fused ReLU."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import INT32_MAX
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import wide_sum
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.broadcast import align, broadcast_fields, broadcast_shape, loop_counts
from cpcc.ops.float_params import WeightedSum
from cpcc.ops.requantized import clamp_limits
from cpcc.ops.samples import broadcast_shapes


@dataclass(frozen=True)
class QWeightedSum:
    """``clamp((a * a_multiplier + b * b_multiplier + offset) >> shift)``; zero points and rounding lie in `offset`."""

    a_multiplier: int
    b_multiplier: int
    offset: int
    shift: int
    low: int
    high: int


def infer_shape(params: WeightedSum | QWeightedSum, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return broadcast_shape(a, b)


def run_float(params: WeightedSum, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rank = max(a.ndim, b.ndim) - 1
    left, right = params.coefficients
    y = left * align(np.asarray(a, np.float64), rank) + right * align(np.asarray(b, np.float64), rank)
    return np.clip(y, 0, params.ceiling) if params.relu else y


def run_int8(params: QWeightedSum, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rank = max(a.ndim, b.ndim) - 1
    left = align(a.astype(np.int64), rank) * params.a_multiplier
    total = left + align(b.astype(np.int64), rank) * params.b_multiplier + params.offset
    return np.clip(total >> params.shift, params.low, params.high).astype(np.int8)


def bound(params: QWeightedSum) -> int:
    """Largest magnitude any partial sum can reach, in any order."""
    return 128 * (abs(params.a_multiplier) + abs(params.b_multiplier)) + abs(params.offset)


def _at_shift(params: WeightedSum, inputs: tuple[Int8, ...], output: Int8, shift: int) -> QWeightedSum:
    a, b = inputs
    left, right = (round(c * x.scale / output.scale * 2**shift) for c, x in zip(params.coefficients, inputs))
    offset = (output.zero_point << shift) + (1 << shift >> 1) - a.zero_point * left - b.zero_point * right
    return QWeightedSum(left, right, offset, shift, *clamp_limits(output, params.relu, params.ceiling))


def quantize(params: WeightedSum, inputs: tuple[Int8, ...], output: Int8) -> QWeightedSum:
    """The largest shift, so the finest multipliers, whose every partial sum fits int32; one rounding, halves up."""
    for shift in range(22, -1, -1):
        quantized = _at_shift(params, inputs, output, shift)
        if bound(quantized) <= INT32_MAX:
            return quantized
    raise OverflowError(f"an input's step is {max(x.scale for x in inputs) / output.scale:.3g} times the output's")


def pack(node: Node, graph: Graph) -> Packed:
    p: QWeightedSum = node.params
    a, b = graph.input_tensors(node)
    return Packed({
        **broadcast_fields(a.shape, b.shape), "a_multiplier": p.a_multiplier, "b_multiplier": p.b_multiplier,
        "offset": p.offset, "shift": p.shift, "low": p.low, "high": p.high,
    })  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, *loop_counts(*(t.shape for t in graph.input_tensors(node)))


def sample(rng: np.random.Generator) -> tuple[WeightedSum, tuple[tuple[int, ...], ...]]:
    coefficients = (float(rng.choice([1.0, -1.0, 0.01])), float(rng.choice([1.0, -1.0, 30.0])))
    return WeightedSum(coefficients, bool(rng.integers(2)), float(rng.choice([0.5, math.inf]))), broadcast_shapes(rng)


def sample_wide(rng: np.random.Generator) -> tuple[WeightedSum, tuple[tuple[int, ...], ...]]:
    """As `sample`, without the factor of 30 that with a low ceiling leaves what the int16 form supports."""
    params, shapes = sample(rng)
    return replace(params, coefficients=(params.coefficients[0], min(params.coefficients[1], 3.0))), shapes


OP = Op(
    name="weighted_sum",
    float_params=WeightedSum,
    int8_params=QWeightedSum,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(Kernel("weighted_sum", pack, fitted("weighted_sum", features), shared=("include/cpcc_broadcast.h",)),),
    wide=wide_sum.form("weighted_sum_wide", WeightedSum, run_float, sample_wide),
)
