"""ADD, MUL and SOFTMAX. A constant operand of one value makes a table of the 256 results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant
from cpcc.frontends.tflite.activation import clamp
from cpcc.frontends.tflite.builder import Builder, Handler, int8_type
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Int8
from cpcc.ops import add as add_op
from cpcc.ops import mul as mul_op
from cpcc.ops.lookup import QLookup
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


BADLY_SCALED = "quantize the model again with representative data"
Params = add_op.QAdd | mul_op.QMul


def _add_params(op: Operator, a: Int8, b: Int8, y: Int8) -> add_op.QAdd:
    low, high = clamp(op, read_options(op, AddOptions).fused_activation_function, y)
    return add_op.QAdd(add_op.tflite_add_scaling(a, b, y), low, high)


def _mul_params(op: Operator, a: Int8, b: Int8, y: Int8) -> mul_op.QMul:
    low, high = clamp(op, read_options(op, MulOptions).fused_activation_function, y)
    requant = TfliteRequant.from_scales(np.array([a.scale * b.scale / y.scale]))
    return mul_op.QMul(a.zero_point, b.zero_point, requant, y.zero_point, low, high)


def _binary(params_of: Callable[[Operator, Int8, Int8, Int8], Params], run: Callable[..., np.ndarray]) -> Handler:
    def build(b: Builder, op: Operator) -> None:
        types = [int8_type(op.place, b.info(op, i)) for i in (0, 1)]
        try:
            params = params_of(op, types[0], types[1], int8_type(op.place, b.output(op)))
        except OverflowError as error:
            raise ModelError(f"{op.place}: {error}; {BADLY_SCALED}") from error
        fixed = [i for i in (0, 1) if b.info(op, i).data is not None]
        if fixed:
            _tabulate(b, op, fixed[0], lambda x, y: run(params, x, y))
        else:
            b.add(op, params, (b.value(op, 0), b.value(op, 1)))

    return Handler(build, 2)


def _tabulate(b: Builder, op: Operator, fixed: int, run: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """The node for one computed operand and a constant one, number `fixed`."""
    x, value = b.value(op, 1 - fixed), b.constant(op, fixed, "INT8").ravel()
    if len(value) != 1:
        raise ModelError(
            f"{op.place}: input {fixed} is a constant of {len(value)} values; supported: 1, or a computed tensor"
        )
    every = np.arange(-128, 128, dtype=np.int8)[None]
    operands = [every, every]
    operands[fixed] = np.full_like(every, value[0])
    b.add(op, QLookup(run(operands[0], operands[1])[0]), (x,))


def softmax(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    assert isinstance(x.type, Int8)
    try:
        table = exp_table(x.type.scale, read_options(op, SoftmaxOptions).beta)
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; {BADLY_SCALED}") from error
    b.add(op, QSoftmax(table), (x,))


HANDLERS = {
    "ADD": _binary(_add_params, add_op.run_int8),
    "MUL": _binary(_mul_params, mul_op.run_int8),
    "SOFTMAX": Handler(softmax),
}
