"""Rows of an image where they lie: no code, the output is a part of the input's memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.graph import Graph, Node
from cpcc.ops.base import Op
from cpcc.ops.max_pool2d import same_type


@dataclass(frozen=True)
class RowSlice:
    """`count` positions from `first` on, along `axis`; the axes before it have one position each."""

    axis: int
    first: int
    count: int


def check_outer(name: str, shape: tuple[int, ...], axis: int) -> None:
    """Raises `ModelError` where positions along `axis` are not one run of memory."""
    if not 0 <= axis < len(shape) or math.prod(shape[:axis]) != 1:
        raise ModelError(f"{name}: axis {axis} of {shape} is not its outermost")


def infer_shape(params: RowSlice, x: tuple[int, ...]) -> tuple[int, ...]:
    check_outer("row_slice", x, params.axis)
    if params.first < 0 or params.count < 1 or params.first + params.count > x[params.axis]:
        raise ModelError(f"row_slice: positions {params.first} to {params.first + params.count} of {x}")
    return (*x[: params.axis], params.count, *x[params.axis + 1 :])


def run(params: RowSlice, x: np.ndarray) -> np.ndarray:
    """Same dtype as `x` (n, ...); float and integer semantics are one."""
    return x.take(range(params.first, params.first + params.count), axis=params.axis + 1)


def bytes_before(node: Node, graph: Graph) -> int:
    """Of the input's memory, what comes before the output's."""
    source = graph.tensors[node.inputs[0]]
    return node.params.first * source.bytes // source.shape[node.params.axis]


def sample(rng: np.random.Generator) -> tuple[RowSlice, tuple[tuple[int, ...], ...]]:
    shape = tuple(int(v) for v in rng.integers(1, 7, 3))
    first = int(rng.integers(shape[0]))
    return RowSlice(0, first, int(rng.integers(1, shape[0] - first + 1))), (shape,)


OP = Op(
    name="row_slice",
    float_params=RowSlice,
    int8_params=RowSlice,
    infer_shape=infer_shape,
    run_float=run,
    run_int8=run,
    quantize=lambda params, inputs, output: params,
    sample=sample,
    kernels=(),
    output_type=same_type,
    shares=lambda node, graph: (-bytes_before(node, graph),),
)
