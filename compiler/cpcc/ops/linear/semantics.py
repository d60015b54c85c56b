"""What a fully connected layer computes, in float and in int8."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import exact_dot
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import float_params
from cpcc.ops.requantized import Output, check_overflow, quantize_affine
from cpcc.ops.samples import random_weights


@dataclass(frozen=True, eq=False)
class QLinear:
    """int8 `weight` (out, in) and the output stage; the input zero point is folded into the bias."""

    weight: np.ndarray
    output: Output


def infer_shape(params: float_params.Linear | QLinear, x: tuple[int, ...]) -> tuple[int, ...]:
    out_features, in_features = params.weight.shape
    if math.prod(x) != in_features:
        raise ModelError(f"linear: the input has {math.prod(x)} values, the weights expect {in_features}")
    return (out_features,)


def run_float(params: float_params.Linear, x: np.ndarray) -> np.ndarray:
    y = x.reshape(len(x), -1) @ params.weight.T.astype(np.float64) + params.bias
    return np.clip(y, 0, params.ceiling) if params.relu else y


def run_int8(params: QLinear, x: np.ndarray) -> np.ndarray:
    return params.output.apply(exact_dot(x.reshape(len(x), -1), params.weight))


def quantize(params: float_params.Linear, inputs: tuple[Int8, ...], output: Int8) -> QLinear:
    return QLinear(
        *quantize_affine(
            params.weight, params.bias, inputs[0], output, params.relu, params.ceiling, params.weight_scales
        )
    )


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QLinear):
        check_overflow(node, node.params.weight, node.params.output)


def reach(params: QLinear) -> int:
    return int(params.output.reach(params.weight).max())


def macs(params: QLinear, out_shape: tuple[int, ...]) -> tuple[int, int]:
    return params.weight.size, int(np.count_nonzero(params.weight))


def sample(rng: np.random.Generator) -> tuple[float_params.Linear, tuple[tuple[int, ...], ...]]:
    in_features = int(rng.choice([1, 2, 3, 7, 16, 30, 64, 255, 256, 257, 600]))
    out_features = int(rng.integers(1, 9))
    weight, bias = random_weights(rng, (out_features, in_features))
    return float_params.Linear(weight, bias, bool(rng.integers(2))), ((in_features,),)
