"""Product of two tensors with broadcasting: ``y = clamp(requantize((a - za) * (b - zb)))``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import INT32_MAX, Requant, Scaling, TfliteRequant, requantize
from cpcc.graph import Graph, Int8, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.broadcast import align, broadcast_fields, broadcast_shape, loop_counts
from cpcc.ops.float_params import Mul
from cpcc.ops.samples import broadcast_shapes


@dataclass(frozen=True, eq=False)
class QMul:
    """`requant` scales the product of the centred inputs; it has one entry. The inputs are int8; int16 where it is TensorFlow Lite's."""

    a_zero_point: int
    b_zero_point: int
    requant: Scaling
    zero_point: int
    low: int = -128
    high: int = 127


def infer_shape(params: Mul | QMul, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return broadcast_shape(a, b)


def run_float(params: Mul, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rank = max(a.ndim, b.ndim) - 1
    return align(np.asarray(a, np.float64), rank) * align(np.asarray(b, np.float64), rank)


def run_int8(params: QMul, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rank = max(a.ndim, b.ndim) - 1
    left = align(a.astype(np.int64), rank) - params.a_zero_point
    right = align(b.astype(np.int64), rank) - params.b_zero_point
    product = (left * right)[..., None]  # one scale for all
    return requantize(product, params.requant, params.zero_point, params.low, params.high, a.dtype.type)[..., 0]


def quantize(params: Mul, inputs: tuple[Int8, ...], output: Int8) -> QMul:
    a, b = inputs
    requant = Requant.from_scales(np.array([a.scale * b.scale / output.scale]))
    return QMul(a.zero_point, b.zero_point, requant, output.zero_point)


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QMul):
        largest = 255 if isinstance(graph.output_tensor(node).type, Int8) else 32768
        reach = int(np.max(node.params.requant.reach(np.array([largest**2]))))
        if reach > INT32_MAX:
            raise ModelError(
                f"{node.name}: the products of both inputs can reach {reach}, the limit is {INT32_MAX}; "
                "use calibration data that cover the output's range"
            )


def pack(node: Node, graph: Graph) -> Packed:
    p: QMul = node.params
    a, b = graph.input_tensors(node)
    fields = {**broadcast_fields(a.shape, b.shape), "a_zero_point": p.a_zero_point, "b_zero_point": p.b_zero_point,
              "multiplier": int(p.requant.multiplier[0])}  # fmt: skip
    rest = {"zero_point": p.zero_point, "low": p.low, "high": p.high}
    if isinstance(p.requant, TfliteRequant):
        return Packed({**fields, "shift": int(p.requant.shift[0]), **rest}, entry="_tflite")
    return Packed({**fields, "shift": p.requant.left_shift, **rest})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    size = graph.output_tensor(node).size
    return (
        1.0,
        *loop_counts(*(t.shape for t in graph.input_tensors(node))),
        size * isinstance(node.params.requant, TfliteRequant),
    )


def wide_features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, *loop_counts(*(t.shape for t in graph.input_tensors(node)))


def is_tflite(node: Node, graph: Graph) -> bool:
    return isinstance(node.params.requant, TfliteRequant)


def sample(rng: np.random.Generator) -> tuple[Mul, tuple[tuple[int, ...], ...]]:
    return Mul(), broadcast_shapes(rng)


FILES = ("include/cpcc_broadcast.h",)

OP = Op(
    name="mul",
    float_params=Mul,
    int8_params=QMul,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("mul", pack, fitted("mul", features), shared=FILES),
        Kernel(
            "mul_wide",
            pack,
            fitted("mul_wide", wide_features),
            applies=is_tflite,
            wide=True,
            prescribed=True,
            shared=FILES,
        ),
    ),
    check=check,
)
