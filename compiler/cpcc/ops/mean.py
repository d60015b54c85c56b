"""Mean of a whole image per channel. Its range is far smaller than its input's, so the output has a type of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import INT32_MAX, Requant, requantize
from cpcc.graph import Graph, Integer, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Mean


@dataclass(frozen=True, eq=False)
class QMean:
    """``clamp(requantize(sum of (x - in_zero_point)))``; `requant`, of one entry, divides by the `pixels` too."""

    pixels: int
    in_zero_point: int
    requant: Requant
    zero_point: int


def infer_shape(params: Mean | QMean, x: tuple[int, ...]) -> tuple[int, ...]:
    if len(x) != 3 or x[0] * x[1] != params.pixels:
        raise ModelError(f"mean: the input is {x}, expected (h, w, channels) with {params.pixels} pixels")
    return (1, 1, x[2])


def run_float(params: Mean, x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float64).mean(axis=(1, 2), keepdims=True)


def run_int8(params: QMean, x: np.ndarray) -> np.ndarray:
    total = x.astype(np.int64).sum(axis=(1, 2), keepdims=True) - params.pixels * params.in_zero_point
    info = np.iinfo(x.dtype)
    return requantize(total, params.requant, params.zero_point, info.min, info.max, x.dtype.type)


def quantize(params: Mean, inputs: tuple[Integer, ...], output: Integer) -> QMean:
    requant = Requant.from_scales(np.array([inputs[0].scale / (params.pixels * output.scale)]))
    return QMean(params.pixels, inputs[0].zero_point, requant, output.zero_point)


def check(node: Node, graph: Graph) -> None:
    if not isinstance(node.params, QMean):
        return
    kind = graph.input_tensors(node)[0].integer
    largest = max(kind.high - kind.zero_point, kind.zero_point - kind.low)
    if int(node.params.requant.reach(np.array(largest * node.params.pixels))) > INT32_MAX:
        raise ModelError(f"{node.name}: a sum of {node.params.pixels} pixels can leave int32; pool in two steps")


def pack(node: Node, graph: Graph) -> Packed:
    p: QMean = node.params
    return Packed({
        "pixels": p.pixels, "channels": graph.output_tensor(node).shape[2], "start": -p.pixels * p.in_zero_point,
        "multiplier": int(p.requant.multiplier[0]), "left_shift": p.requant.left_shift, "zero_point": p.zero_point,
    })  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    channels = graph.output_tensor(node).shape[2]
    return 1.0, channels, channels * node.params.pixels


def sample(rng: np.random.Generator) -> tuple[Mean, tuple[tuple[int, ...], ...]]:
    h, w, channels = (int(v) for v in rng.integers(1, 9, 3))
    return Mean(h * w), ((h, w, channels),)


OP = Op(
    name="mean",
    float_params=Mean,
    int8_params=QMean,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("mean", pack, fitted("mean", features)),
        Kernel("mean_wide", pack, fitted("mean_wide", features), wide=True, shared=("kernels/cpcc_mean.h",)),
    ),
    check=check,
)
