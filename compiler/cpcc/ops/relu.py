"""``max(x, 0)`` where it stands alone: in integers the maximum with the zero point, in place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Integer, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Relu
from cpcc.ops.max_pool2d import same_type


@dataclass(frozen=True)
class QRelu:
    zero_point: int


def infer_shape(params: Relu | QRelu, x: tuple[int, ...]) -> tuple[int, ...]:
    return x


def run_float(params: Relu, x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def run_int8(params: QRelu, x: np.ndarray) -> np.ndarray:
    return np.maximum(x, x.dtype.type(params.zero_point))


def pack(node: Node, graph: Graph) -> Packed:
    return Packed({"size": graph.output_tensor(node).size, "zero_point": node.params.zero_point})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, graph.output_tensor(node).size


def quantize(params: Relu, inputs: tuple[Integer, ...], output: Integer) -> QRelu:
    return QRelu(inputs[0].zero_point)


def sample(rng: np.random.Generator) -> tuple[Relu, tuple[tuple[int, ...], ...]]:
    shape = tuple(int(v) for v in rng.integers(1, 6, int(rng.choice([1, 3]))))
    assert math.prod(shape) > 0
    return Relu(), (shape,)


OP = Op(
    name="relu",
    float_params=Relu,
    int8_params=QRelu,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("relu", pack, fitted("relu", features)),
        Kernel("relu_wide", pack, fitted("relu_wide", features), wide=True, shared=("kernels/cpcc_relu.h",)),
    ),
    output_type=same_type,
    in_place=True,
)
