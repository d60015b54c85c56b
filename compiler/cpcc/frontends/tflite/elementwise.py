"""ADD, MUL and SOFTMAX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant
from cpcc.frontends.tflite.activation import clamp
from cpcc.frontends.tflite.builder import Builder, Handler, int8_type
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Int8
from cpcc.ops.add import QAdd, tflite_add_scaling
from cpcc.ops.mul import QMul
from cpcc.ops.softmax import QSoftmax, exp_table


@dataclass(frozen=True)
class AddOptions:
    fused_activation_function: int


@dataclass(frozen=True)
class MulOptions:
    fused_activation_function: int


@dataclass(frozen=True)
class SoftmaxOptions:
    beta: float


def add(b: Builder, op: Operator) -> None:
    a, c = b.value(op, 0), b.value(op, 1)
    y = int8_type(op.place, b.output(op))
    low, high = clamp(op, read_options(op, AddOptions).fused_activation_function, y)
    assert isinstance(a.type, Int8) and isinstance(c.type, Int8)
    try:
        scaling = tflite_add_scaling(a.type, c.type, y)
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; quantize the model again with representative data") from error
    b.add(op, QAdd(scaling, low, high), (a, c))


def mul(b: Builder, op: Operator) -> None:
    a, c = b.value(op, 0), b.value(op, 1)
    y = int8_type(op.place, b.output(op))
    low, high = clamp(op, read_options(op, MulOptions).fused_activation_function, y)
    assert isinstance(a.type, Int8) and isinstance(c.type, Int8)
    try:
        requant = TfliteRequant.from_scales(np.array([a.type.scale * c.type.scale / y.scale]))
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; quantize the model again with representative data") from error
    b.add(op, QMul(a.type.zero_point, c.type.zero_point, requant, y.zero_point, low, high), (a, c))


def softmax(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    assert isinstance(x.type, Int8)
    try:
        table = exp_table(x.type.scale, read_options(op, SoftmaxOptions).beta)
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; quantize the model again with representative data") from error
    b.add(op, QSoftmax(table), (x,))


HANDLERS = {"ADD": Handler(add, 2), "MUL": Handler(mul, 2), "SOFTMAX": Handler(softmax)}
