"""Sum of two int16 tensors, with broadcasting and a fused ReLU: the int16 form of add and weighted_sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import Requant
from cpcc.graph import Graph, Int16, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.broadcast import align, broadcast_fields, broadcast_shape, loop_counts
from cpcc.ops.float_params import Add, WeightedSum
from cpcc.ops.requantized import clamp_limits

LARGEST_SHIFT = 15  # a scale below 2**14: each term stays below 2**61, the sum of both below 2**30 after the shift


@dataclass(frozen=True)
class QWideSum:
    """``clamp((a * 2**left_shift * multipliers[0] + b * 2**left_shift * multipliers[1] + 2**31) >> 32)``: one rounding,
    halves up, of the exact sum."""

    multipliers: tuple[int, int]
    left_shift: int
    low: int
    high: int


def infer_shape(params: Any, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return broadcast_shape(a, b)


def run_integer(params: QWideSum, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rank, factor = max(a.ndim, b.ndim) - 1, 1 << params.left_shift
    left, right = (align(x.astype(np.int64), rank) * (factor * m) for x, m in zip((a, b), params.multipliers))
    return np.clip((left + right + (1 << 31)) >> 32, params.low, params.high).astype(np.int16)


def quantize(params: Add | WeightedSum, inputs: tuple[Int16, ...], output: Int16) -> QWideSum:
    coefficients = params.coefficients if isinstance(params, WeightedSum) else (1.0, 1.0)
    real = np.array([c * x.scale / output.scale for c, x in zip(coefficients, inputs)])
    requant = Requant.from_scales(np.maximum(np.abs(real), 2.0**-32))
    if requant.left_shift > LARGEST_SHIFT:
        raise OverflowError(f"an input's step is {np.abs(real).max():.3g} times the output's; supported: below 2**14")
    a, b = (int(m) * (-1 if r < 0 else 1) for m, r in zip(requant.multiplier, real))
    ceiling = params.ceiling if isinstance(params, WeightedSum) else np.inf
    return QWideSum((a, b), requant.left_shift, *clamp_limits(output, params.relu, ceiling))


def pack(node: Node, graph: Graph) -> Packed:
    p: QWideSum = node.params
    a, b = graph.input_tensors(node)
    return Packed({
        **broadcast_fields(a.shape, b.shape), "a_multiplier": p.multipliers[0], "b_multiplier": p.multipliers[1],
        "left_shift": p.left_shift, "low": p.low, "high": p.high,
    })  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, *loop_counts(*(t.shape for t in graph.input_tensors(node)))


FILES = ("include/cpcc_broadcast.h",)


def form(name: str, float_params: type, run_float: Callable[..., np.ndarray], sample: Callable[..., Any]) -> Op:
    """The int16 form of an op that adds two tensors."""
    return Op(
        name=name,
        float_params=float_params,
        int8_params=QWideSum,
        infer_shape=infer_shape,
        run_float=run_float,
        run_int8=run_integer,
        quantize=quantize,
        sample=sample,
        kernels=(Kernel("sum_wide", pack, fitted("sum_wide", features), wide=True, shared=FILES),),
    )
