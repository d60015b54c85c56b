"""Fully connected layer: ``y = clamp(requantize(weight @ x + bias))``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import exact_dot
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import float_params
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Op, Packed
from cpcc.ops.requantized import Output, check_overflow, quantize_affine
from cpcc.ops.samples import random_weights
from cpcc.paired import GROUP, group_stream, pair_stream, pairable, widened_order
from cpcc.rounding import is_tflite, rounding_of
from cpcc.sparse import pack_rows_delta8, sparse2_stream, sparse2_words


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
    return QLinear(*quantize_affine(params.weight, params.bias, inputs[0], output, params.relu, params.ceiling))


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QLinear):
        check_overflow(node, node.params.weight, node.params.output)


def macs(params: QLinear, out_shape: tuple[int, ...]) -> tuple[int, int]:
    return params.weight.size, int(np.count_nonzero(params.weight))


def pack_dense(node: Node, graph: Graph) -> Packed:
    weight = node.params.weight
    return Packed(
        {
            "in_features": weight.shape[1],
            "out_features": weight.shape[0],
            "weights": weight,
            **node.params.output.fields(),
        },
        entry=node.params.output.entry,
    )


def pack_paired(node: Node, graph: Graph) -> Packed:
    weight, output = node.params.weight, node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    rows, inputs = weight.shape
    blocks, whole = -(-inputs // 4), rows // GROUP * GROUP
    padded, order = np.pad(weight, ((0, 0), (0, 4 * blocks - inputs))), widened_order(1, 4 * blocks)
    groups = group_stream(padded[:whole], rounding.rows(0, whole), order)
    fields: dict[str, int | np.ndarray] = {
        "blocks": blocks, "out_features": rows,
        "stream": np.concatenate([groups, pair_stream(padded[whole:], rounding.rows(whole, rows), order)]),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, 8 * blocks)


def paired_applies(node: Node, graph: Graph) -> bool:
    return pairable(node.params.weight) and rounding_of(node.params.output, node.params.weight) is not None


def pack_sparse(node: Node, graph: Graph) -> Packed:
    rows = pack_rows_delta8(node.params.weight)
    return Packed(
        {
            "out_features": node.params.weight.shape[0],
            "counts": rows.counts,
            "deltas": rows.deltas,
            "weights": rows.values,
            **node.params.output.fields(),
        },
        entry=node.params.output.entry,
    )


def pack_sparse2(node: Node, graph: Graph) -> Packed:
    output, weight = node.params.output, node.params.weight
    rounding = rounding_of(output, weight)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        "stream": sparse2_stream(weight, rounding.bias, rounding.words), "out_features": len(weight),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields)


def sparse2_applies(node: Node, graph: Graph) -> bool:
    return rounding_of(node.params.output, node.params.weight) is not None


# Features for `costs.fitted`.
def features_dense(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, inputs = node.params.weight.shape
    return 1.0, rows, rows * inputs, rows * is_tflite(node.params.output)


def features_paired(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, inputs = node.params.weight.shape
    blocks, groups, tail = -(-inputs // 4), rows // GROUP, -(-(rows % GROUP) // 2)
    tflite = is_tflite(node.params.output)
    return 1.0, blocks, groups, groups * blocks, groups * tflite, tail, tail * blocks


def features_sparse(node: Node, graph: Graph) -> tuple[float, ...]:
    rows = pack_rows_delta8(node.params.weight)
    return 1.0, len(rows.counts), len(rows.values), len(rows.counts) * is_tflite(node.params.output)


def features_sparse2(node: Node, graph: Graph) -> tuple[float, ...]:
    words = np.array([len(sparse2_words(row)) for row in node.params.weight])
    rows = len(words)
    return 1.0, rows, rows * is_tflite(node.params.output), float((words // 4).sum()), float((words % 4).sum())


def sample(rng: np.random.Generator) -> tuple[float_params.Linear, tuple[tuple[int, ...], ...]]:
    in_features = int(rng.choice([1, 2, 3, 7, 16, 30, 64, 255, 256, 257, 600]))
    out_features = int(rng.integers(1, 9))
    weight, bias = random_weights(rng, (out_features, in_features))
    return float_params.Linear(weight, bias, bool(rng.integers(2))), ((in_features,),)


PAIRED_FILES = (*STREAM_FILES, "kernels/cpcc_rows4.h", "kernels/cpcc_rows4.c", "kernels/cpcc_saturate.h")

SPARSE2_FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h")

OP = Op(
    name="linear",
    float_params=float_params.Linear,
    int8_params=QLinear,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("linear_dense", pack_dense, fitted("linear_dense", features_dense)),
        Kernel(
            "linear_paired",
            pack_paired,
            fitted("linear_paired", features_paired),
            DSP,
            paired_applies,
            shared=PAIRED_FILES,
        ),
        Kernel("linear_sparse", pack_sparse, fitted("linear_sparse", features_sparse), sparse=True),
        Kernel(
            "linear_sparse2",
            pack_sparse2,
            fitted("linear_sparse2", features_sparse2),
            DSP,
            sparse2_applies,
            sparse=True,
            shared=SPARSE2_FILES,
        ),
    ),
    macs=macs,
    check=check,
    weights=("weight",),
)
