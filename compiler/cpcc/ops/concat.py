"""Tensors of one type side by side along an axis; the quantizer sees to it that the types are one."""

from __future__ import annotations

import math

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import narrow
from cpcc.graph import Float32, Graph, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Concat
from cpcc.ops.max_pool2d import same_type


def infer_shape(params: Concat, *inputs: tuple[int, ...]) -> tuple[int, ...]:
    first, axis = inputs[0], params.axis
    for shape in inputs:
        if len(shape) != len(first) or shape[:axis] + shape[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            raise ModelError(f"concat: inputs {first} and {shape} differ off axis {axis}")
    return (*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :])


def run(params: Concat, *inputs: np.ndarray) -> np.ndarray:
    """Same dtype as the inputs (n, ...); float and int8 semantics are one."""
    return np.concatenate(inputs, axis=params.axis + 1)


def check(node: Node, graph: Graph) -> None:
    kinds = {tensor.type for tensor in (*graph.input_tensors(node), graph.output_tensor(node))}
    if len(kinds) != 1 and Float32() not in kinds:
        raise ModelError(f"{node.name}: the inputs of a concat have different types")


def pack(node: Node, graph: Graph) -> Packed:
    axis, inputs = node.params.axis, graph.input_tensors(node)
    shapes = [tensor.shape for tensor in inputs]
    sizes = narrow(np.array([tensor.bytes // math.prod(tensor.shape[:axis]) for tensor in inputs]), np.int32)
    return Packed({"rows": math.prod(shapes[0][:axis]), "inputs": len(shapes), "sizes": sizes})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows = math.prod(graph.output_tensor(node).shape[: node.params.axis])
    return 1.0, rows, rows * len(node.inputs), graph.output_tensor(node).bytes


def sample(rng: np.random.Generator) -> tuple[Concat, tuple[tuple[int, ...], ...]]:
    shape, axis = [int(v) for v in rng.integers(1, 5, 3)], int(rng.integers(3))
    sizes = rng.integers(1, 6, int(rng.integers(2, 5)))
    return Concat(axis), tuple((*shape[:axis], int(size), *shape[axis + 1 :]) for size in sizes)


OP = Op(
    name="concat",
    float_params=Concat,
    int8_params=Concat,
    infer_shape=infer_shape,
    run_float=run,
    run_int8=run,
    quantize=lambda params, inputs, output: params,
    sample=sample,
    kernels=(Kernel("concat", pack, fitted("concat", features), variadic=True, bytewise=True),),
    output_type=same_type,
    check=check,
)
