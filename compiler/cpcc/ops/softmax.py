"""Softmax over the last axis, in TensorFlow Lite's int8 fixed-point arithmetic, for every front end.

The exponential of each of the 256 possible distances to the maximum is a table made here; the device adds them up,
divides by Newton's method and rounds. Source: Softmax of tensorflow/lite/kernels/internal/reference/softmax.h.
``Qm.n`` below is an int32 with m integer and n fractional bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant, narrow, rounding_shift
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import wide_softmax
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.fixed_functions import exp_of_negative, one_over_one_plus, product
from cpcc.ops.float_params import Softmax

OUTPUT = Int8(1 / 256, -128)
FILES = ("include/cpcc_exponentials.h",)
SUM_INTEGER_BITS = 12  # of the sum of exponentials, Q12.19
MAX_CLASSES = 2**SUM_INTEGER_BITS - 1
INPUT_INTEGER_BITS = 5  # of the scaled distance, Q5.26
LARGEST_DISTANCE = (1 << INPUT_INTEGER_BITS) - 1


@dataclass(frozen=True, eq=False)
class QSoftmax:
    """`table` (256,) int32, Q0.31: the exponential of each distance 0 ... 255 below the maximum, 0 where negligible."""

    table: np.ndarray


@dataclass(frozen=True)
class DistanceScale:
    """How a distance below the maximum becomes Q5.26: ``-(distance << shift) * multiplier / 2**31``, halves up, times `factor`. Beyond
    `radius` the shift would leave int32: so far off, nothing counts."""

    multiplier: int
    shift: int
    radius: int
    factor: int = 1

    def as_far_as_it_goes(self) -> DistanceScale:
        """TensorFlow Lite's `radius` lies 15.5 to 31 below the maximum; here it lies 31 below, for one bit of precision in 26."""
        radius = (LARGEST_DISTANCE << (31 - INPUT_INTEGER_BITS + 31)) // (self.multiplier << self.shift)
        return DistanceScale(self.multiplier, self.shift - 1, min(radius, 255), 2)

    def scaled(self, distance: np.ndarray) -> np.ndarray:
        """int64; beyond the radius as at it."""
        return product(-np.minimum(distance, self.radius) << self.shift, self.multiplier) * self.factor


def distance_scale(scale: float, beta: float = 1.0) -> DistanceScale:
    """For an input of this `scale`. Raises `OverflowError` where it is too small."""
    real = min(beta * scale * 2.0 ** (31 - INPUT_INTEGER_BITS), 2.0**31 - 1)
    if real <= 1:
        raise OverflowError(f"a scale of {scale:g} times beta {beta:g} is too small; supported: above 2**-26")
    requant = TfliteRequant.from_scales(np.array([real]))
    shift = int(requant.shift[0])
    radius = math.floor(LARGEST_DISTANCE * 2.0 ** (31 - INPUT_INTEGER_BITS) / 2.0**shift)
    return DistanceScale(int(requant.multiplier[0]), shift, min(radius, 255))


def exp_table(distances: DistanceScale) -> np.ndarray:
    """(256,) int32 exponentials, Q0.31, of distances 0 ... 255 below the maximum; 0 beyond the radius."""
    distance = np.arange(256)
    table = exp_of_negative(distances.scaled(distance), INPUT_INTEGER_BITS)
    return narrow(np.where(distance <= distances.radius, table, 0), np.int32)


def exponential_fields(table: np.ndarray) -> dict[str, int | np.ndarray]:
    """Fields of the C structs: the table ends with its first 0, which stands for all greater distances."""
    last = int(np.flatnonzero(table)[-1]) + 1
    return {"last": min(last, 255), "exponentials": table[: last + 1]}


def sum_of_exponentials(table: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(..., 1) int64 Q12.19."""
    return rounding_shift(table.astype(np.int64)[distance], SUM_INTEGER_BITS).sum(axis=-1, keepdims=True)


def check_classes(op: str, x: tuple[int, ...]) -> tuple[int, ...]:
    """The shape `x` itself. Raises `ModelError` where the sum of as many exponentials could overflow."""
    if x[-1] > MAX_CLASSES:
        raise ModelError(f"{op}: {x[-1]} classes; supported: up to {MAX_CLASSES}")
    return x


def reciprocal(total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Q0.31 mantissa, exponent) of 1 / total for Q12.19 `total` >= 1/2."""
    leading_zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    fraction = (total << leading_zeros) - (1 << 31)  # the mantissa less one, Q0.31
    return one_over_one_plus(fraction), SUM_INTEGER_BITS - leading_zeros


def infer_shape(params: Softmax | QSoftmax, x: tuple[int, ...]) -> tuple[int, ...]:
    return check_classes("softmax", x)


def run_float(params: Softmax, x: np.ndarray) -> np.ndarray:
    e = np.exp(params.beta * (np.asarray(x, np.float64) - x.max(axis=-1, keepdims=True)))
    return e / e.sum(axis=-1, keepdims=True)


def run_int8(params: QSoftmax, x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.int64)
    distance = wide.max(axis=-1, keepdims=True) - wide
    mantissa, exponent = reciprocal(sum_of_exponentials(params.table, distance))
    q = rounding_shift(product(mantissa, params.table.astype(np.int64)[distance]), exponent + 31 - 8) - 128
    return np.clip(q, -128, 127).astype(np.int8)


def quantize(params: Softmax, inputs: tuple[Int8, ...], output: Int8) -> QSoftmax:
    return QSoftmax(exp_table(distance_scale(inputs[0].scale, params.beta)))


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QSoftmax) and graph.output_tensor(node).type != OUTPUT:
        raise ModelError(f"{node.name}: output {graph.output_tensor(node).type}; softmax needs {OUTPUT}")


def pack(node: Node, graph: Graph) -> Packed:
    shape = graph.output_tensor(node).shape
    sizes = {"rows": math.prod(shape[:-1]), "classes": shape[-1]}
    return Packed({**sizes, **exponential_fields(node.params.table)})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    shape = graph.output_tensor(node).shape
    return 1.0, math.prod(shape[:-1]), math.prod(shape)


def sample(rng: np.random.Generator) -> tuple[Softmax, tuple[tuple[int, ...], ...]]:
    classes = int(rng.choice([1, 2, 3, 12, 100]))
    shape = (classes,) if rng.integers(2) else (int(rng.integers(1, 4)), int(rng.integers(1, 4)), classes)
    return Softmax(float(rng.choice([1.0, 0.5, 3.0]))), (shape,)


OP = Op(
    name="softmax",
    float_params=Softmax,
    int8_params=QSoftmax,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(Kernel("softmax", pack, fitted("softmax", features), shared=FILES),),
    output_type=lambda params, inputs: OUTPUT,
    check=check,
    in_place=True,
    wide=wide_softmax.form(run_float, features, sample),
)
