"""ADD and SOFTMAX."""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.errors import ModelError
from cpcc.frontends.tflite.activation import clamp
from cpcc.frontends.tflite.builder import Builder, Handler, int8_type
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Int8
from cpcc.ops.add import QAdd, tflite_add_scaling
from cpcc.ops.softmax import QSoftmax, exp_table


@dataclass(frozen=True)
class AddOptions:
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


def softmax(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    assert isinstance(x.type, Int8)
    try:
        table = exp_table(x.type.scale, read_options(op, SoftmaxOptions).beta)
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; quantize the model again with representative data") from error
    b.add(op, QSoftmax(table), (x,))


HANDLERS = {"ADD": Handler(add, 2), "SOFTMAX": Handler(softmax)}
