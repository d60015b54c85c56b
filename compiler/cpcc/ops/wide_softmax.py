"""Softmax over the last axis of int16 values, in TensorFlow Lite's int16 arithmetic, for every front end.

Distances to the maximum become steps of 10/65535, of which exp is a table; what is more than 10 below counts as 10 below. The
reciprocal of the exponentials' sum is a second table, of 1 / (1 + x). Source: SoftmaxInt16 of
tensorflow/lite/kernels/internal/reference/softmax.h, tables as tensorflow/lite/micro/kernels/softmax_common.cc fills them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant
from cpcc.graph import Graph, Int16, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Softmax
from cpcc.ops.interpolated import FILES as TABLE_FILES
from cpcc.ops.interpolated import HIGH, LOW, SEGMENTS, Function, interpolate, table_of

OUTPUT = Int16(2.0**-15)
FILES = (*TABLE_FILES, "include/cpcc_exponentials.h")
REACH = 10.0  # below the maximum, what the table of exponentials spans
MAX_CLASSES = 2**16 - 1  # whose exponentials' sum fits int32
MOST_SHIFT = 14  # of a distance below 2**16


@dataclass(frozen=True, eq=False)
class QWideSoftmax:
    """`requant`, one entry, makes steps of 10/65535 of the input's. `exponentials` and `reciprocals` (513,) int16, Q0.15: exp from -10 to
    0, and 1 / (1 + x) from 0 to 1."""

    requant: TfliteRequant
    exponentials: np.ndarray
    reciprocals: np.ndarray

    @staticmethod
    def of(scale: float, beta: float = 1.0) -> QWideSoftmax:
        """For an input of this `scale`. Raises `OverflowError` where it is too large."""
        requant = TfliteRequant.from_scales(np.array([scale * beta / (REACH / 65535)]))
        if requant.shift[0] > MOST_SHIFT:
            raise OverflowError(
                f"a scale of {scale:g} times beta {beta:g}; supported: below {2**MOST_SHIFT * REACH / 65535:.3g}"
            )
        return QWideSoftmax(requant, _table(np.exp, REACH, HIGH), _table(lambda x: 1 / (1 + x), 1.0, LOW))


def _table(function: Function, reach: float, zero: int) -> np.ndarray:
    """Of `function` over a span of `reach`, 0 at the int16 value `zero`, Q0.15, in the float32 arithmetic of the source."""
    scale, unit = np.float32(reach) / np.float32(65535), np.float32(2) / np.float32(65535)
    start, end = (scale * np.float32(limit - zero) for limit in (LOW, HIGH))
    low, high = (unit * np.float32(limit) for limit in (LOW, HIGH))
    return table_of(function, start, (end - start) / np.float32(SEGMENTS), np.float32(65536) / (high - low))


def infer_shape(params: Softmax | QWideSoftmax, x: tuple[int, ...]) -> tuple[int, ...]:
    if x[-1] > MAX_CLASSES:
        raise ModelError(f"softmax: {x[-1]} classes; supported: up to {MAX_CLASSES}")
    return x


def run_int8(params: QWideSoftmax, x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.int64)
    below = params.requant.scale((wide - wide.max(axis=-1, keepdims=True))[..., None])[..., 0]
    exponentials = interpolate(params.exponentials, np.clip(below + HIGH, LOW, HIGH))
    total = exponentials.sum(axis=-1, keepdims=True)
    bits = np.frexp(total.astype(np.float64))[1].astype(np.int64)  # below 2**bits
    fraction = (((total << (31 - bits)) + 2**13) >> 14) - 2**16  # the mantissa less one, Q0.16
    reciprocal = interpolate(params.reciprocals, np.clip(fraction + LOW, LOW, HIGH))
    shift = bits - 1
    return np.clip((exponentials * reciprocal + (1 << (shift - 1))) >> shift, 0, HIGH).astype(np.int16)


def quantize(params: Softmax, inputs: tuple[Int16, ...], output: Int16) -> QWideSoftmax:
    return QWideSoftmax.of(inputs[0].scale, params.beta)


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QWideSoftmax) and graph.output_tensor(node).type != OUTPUT:
        raise ModelError(f"{node.name}: output {graph.output_tensor(node).type}; softmax needs {OUTPUT}")


def pack(node: Node, graph: Graph) -> Packed:
    shape, p = graph.output_tensor(node).shape, node.params
    return Packed({
        "rows": math.prod(shape[:-1]), "classes": shape[-1], "multiplier": int(p.requant.multiplier[0]), "shift": int(p.requant.shift[0]),
        "exponentials": p.exponentials, "reciprocals": p.reciprocals,
    })  # fmt: skip


def form(
    run_float: Callable[[Softmax, np.ndarray], np.ndarray],
    features: Callable[[Node, Graph], tuple[float, ...]],
    sample: Callable[[np.random.Generator], tuple[Any, tuple[tuple[int, ...], ...]]],
) -> Op:
    """The op, with what it has in common with the int8 form."""
    return Op(
        name="softmax_wide",
        float_params=Softmax,
        int8_params=QWideSoftmax,
        infer_shape=infer_shape,
        run_float=run_float,
        run_int8=run_int8,
        quantize=quantize,
        sample=sample,
        kernels=(Kernel("softmax_wide", pack, fitted("softmax_wide", features), wide=True, shared=FILES),),
        output_type=lambda params, inputs: OUTPUT,
        check=check,
        in_place=True,
    )
