"""Rows of an image, computed part by part where they belong: no code, the inputs are parts of the output's memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from cpcc.errors import ModelError
from cpcc.graph import Graph, Node
from cpcc.ops import concat
from cpcc.ops.base import Op
from cpcc.ops.float_params import Concat
from cpcc.ops.max_pool2d import same_type
from cpcc.ops.row_slice import check_outer


@dataclass(frozen=True)
class RowJoin:
    """The inputs one behind the other along `axis`; the axes before it have one position each."""

    axis: int


def infer_shape(params: RowJoin, *inputs: tuple[int, ...]) -> tuple[int, ...]:
    check_outer("row_join", inputs[0], params.axis)
    return concat.infer_shape(Concat(params.axis), *inputs)


def run(params: RowJoin, *inputs: np.ndarray) -> np.ndarray:
    """Same dtype as the inputs (n, ...); float and integer semantics are one."""
    return concat.run(Concat(params.axis), *inputs)


def check(node: Node, graph: Graph) -> None:
    """A tensor has one place."""
    concat.check(node, graph)
    if len(set(node.inputs)) < len(node.inputs):
        raise ModelError(f"{node.name}: a tensor is joined to itself")


def places(node: Node, graph: Graph) -> tuple[int, ...]:
    """Bytes from the beginning of the output's memory to that of each input."""
    return (0, *accumulate(tensor.bytes for tensor in graph.input_tensors(node)))[:-1]


def sample(rng: np.random.Generator) -> tuple[RowJoin, tuple[tuple[int, ...], ...]]:
    row = tuple(int(v) for v in rng.integers(1, 5, 2))
    return RowJoin(0), tuple((int(rows), *row) for rows in rng.integers(1, 5, int(rng.integers(2, 5))))


OP = Op(
    name="row_join",
    float_params=RowJoin,
    int8_params=RowJoin,
    infer_shape=infer_shape,
    run_float=run,
    run_int8=run,
    quantize=lambda params, inputs, output: params,
    sample=sample,
    kernels=(),
    output_type=same_type,
    check=check,
    shares=places,
)
