"""Logarithm of softmax over the last axis, in TensorFlow Lite's int8 fixed-point arithmetic, for every front end.

``x - max - log(sum(exp(x - max)))``: the exponentials are softmax's table, their sum is Q12.19, its logarithm Q5.26; so are the
distances to the maximum, where what is more than 20 below counts as 20 below. One rounding, halves away from zero, to an output of any
scale; where it is TensorFlow Lite's, from -16 to 0, the result is TensorFlow Lite's. Source: LogSoftmax of
tensorflow/lite/kernels/internal/reference/integer_ops/log_softmax.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import rounding_shift
from cpcc.graph import Graph, Int8, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.fixed_functions import log_of_sum
from cpcc.ops.float_params import LogSoftmax
from cpcc.ops.softmax import (
    FILES,
    INPUT_INTEGER_BITS,
    DistanceScale,
    check_classes,
    distance_scale,
    exp_table,
    exponential_fields,
    features,
    sum_of_exponentials,
)

TFLITE_OUTPUT = Int8(16 / 256, 127)
FRACTION_BITS = 31 - INPUT_INTEGER_BITS
FAR = -20 << FRACTION_BITS  # less the largest logarithm, of 4096, it fits int32


@dataclass(frozen=True, eq=False)
class QLogSoftmax:
    """`table` as `QSoftmax` has it; `distances` scales what is not exponentiated. The output is Q5.26 times `multiplier` / 2**(32 + `shift`)."""

    table: np.ndarray
    distances: DistanceScale
    multiplier: int
    shift: int
    zero_point: int

    @staticmethod
    def of(x: Int8, y: Int8) -> QLogSoftmax:
        """From `x` to `y`. Raises `OverflowError` where a scale is too small or too large."""
        distances = distance_scale(x.scale)
        fraction, exponent = math.frexp(2.0**-FRACTION_BITS / y.scale)
        multiplier = min(round(fraction * 2**31), 2**31 - 1)
        if not 1 <= -1 - exponent <= 30:
            raise OverflowError(f"an output scale of {y.scale:g}; supported: 2**-24 to 2**5")
        return QLogSoftmax(exp_table(distances), distances, multiplier, -1 - exponent, y.zero_point)

    def rounded(self, x: np.ndarray) -> np.ndarray:
        """int64 output steps of Q5.26 `x`, halves away from zero."""
        return rounding_shift(np.asarray(x, np.int64) * self.multiplier, 32 + self.shift)


def infer_shape(params: LogSoftmax | QLogSoftmax, x: tuple[int, ...]) -> tuple[int, ...]:
    return check_classes("log_softmax", x)


def run_float(params: LogSoftmax, x: np.ndarray) -> np.ndarray:
    below = np.asarray(x, np.float64) - x.max(axis=-1, keepdims=True)
    return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))


def run_int8(params: QLogSoftmax, x: np.ndarray) -> np.ndarray:
    wide, distances = x.astype(np.int64), params.distances
    distance = wide.max(axis=-1, keepdims=True) - wide
    below = np.where(distance <= distances.radius, np.maximum(distances.scaled(distance), FAR), FAR)
    logarithm = below - log_of_sum(sum_of_exponentials(params.table, distance))
    return np.clip(params.rounded(logarithm) + params.zero_point, -128, 127).astype(np.int8)


def quantize(params: LogSoftmax, inputs: tuple[Int8, ...], output: Int8) -> QLogSoftmax:
    return QLogSoftmax.of(inputs[0], output)


def pack(node: Node, graph: Graph) -> Packed:
    shape, p = graph.output_tensor(node).shape, node.params
    return Packed({
        "rows": math.prod(shape[:-1]), "classes": shape[-1], "radius": p.distances.radius,
        "in_multiplier": p.distances.multiplier, "in_shift": p.distances.shift, "multiplier": p.multiplier, "shift": p.shift,
        "zero_point": p.zero_point, **exponential_fields(p.table),
    })  # fmt: skip


def sample(rng: np.random.Generator) -> tuple[LogSoftmax, tuple[tuple[int, ...], ...]]:
    classes = int(rng.choice([1, 2, 3, 12, 100]))
    return LogSoftmax(), (
        (classes,) if rng.integers(2) else (int(rng.integers(1, 4)), int(rng.integers(1, 4)), classes),
    )


OP = Op(
    name="log_softmax",
    float_params=LogSoftmax,
    int8_params=QLogSoftmax,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(Kernel("log_softmax", pack, fitted("log_softmax", features), shared=FILES),),
    in_place=True,
)
