"""The same bytes under another shape: no code, the output shares the input's memory."""

from __future__ import annotations

import math

import numpy as np

from cpcc.errors import ModelError
from cpcc.ops.base import Op
from cpcc.ops.float_params import Reshape
from cpcc.ops.max_pool2d import same_type


def infer_shape(params: Reshape, x: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(params.shape) != math.prod(x):
        raise ModelError(f"reshape: {x} has {math.prod(x)} values, {params.shape} has {math.prod(params.shape)}")
    return params.shape


def run(params: Reshape, x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), *params.shape)


def sample(rng: np.random.Generator) -> tuple[Reshape, tuple[tuple[int, ...], ...]]:
    h, w, c = (int(v) for v in rng.integers(1, 5, 3))
    return Reshape((h * w * c,)), ((h, w, c),)


OP = Op(
    name="reshape",
    float_params=Reshape,
    int8_params=Reshape,
    infer_shape=infer_shape,
    run_float=run,
    run_int8=run,
    quantize=lambda params, inputs, output: params,
    sample=sample,
    kernels=(),
    output_type=same_type,
    shares=lambda node, graph: (0,),
)
