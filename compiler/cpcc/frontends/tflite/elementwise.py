"""ADD, SUB, MUL, MINIMUM, MAXIMUM, SOFTMAX and LOG_SOFTMAX. A constant operand makes tables of the 256 results."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant
from cpcc.frontends.tflite.activation import clamp
from cpcc.frontends.tflite.builder import BADLY_SCALED, Builder, Handler, activation_type, int8_type, without_batch
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Int8, Int16, Integer, Tensor
from cpcc.ops import add as add_op
from cpcc.ops import mul as mul_op
from cpcc.ops.channel_lookup import QChannelLookup
from cpcc.ops.float_params import StridedCopy
from cpcc.ops.log_softmax import TFLITE_OUTPUT, QLogSoftmax
from cpcc.ops.lookup import QLookup
from cpcc.ops.softmax import QSoftmax, distance_scale, exp_table
from cpcc.ops.wide_softmax import QWideSoftmax


@dataclass(frozen=True)
class AddOptions:
    fused_activation_function: int


@dataclass(frozen=True)
class SubOptions:
    fused_activation_function: int


@dataclass(frozen=True)
class MulOptions:
    fused_activation_function: int


@dataclass(frozen=True)
class SoftmaxOptions:
    beta: float


Params = add_op.QAdd | mul_op.QMul
Rounded = Callable[[np.ndarray, np.ndarray], np.ndarray]
MAX_PERIOD = 2**20  # elements that a constant is written out to


def _sum_params(op: Operator, types: tuple[Integer, Integer, Integer], function: int, difference: bool) -> add_op.QAdd:
    low, high = clamp(op, function, types[2])
    return add_op.QAdd(add_op.tflite_add_scaling(*types, difference), low, high)


def _add_params(op: Operator, *types: Integer) -> add_op.QAdd:
    a, b, y = types
    return _sum_params(op, (a, b, y), read_options(op, AddOptions).fused_activation_function, False)


def _sub_params(op: Operator, *types: Integer) -> add_op.QAdd:
    a, b, y = types
    return _sum_params(op, (a, b, y), read_options(op, SubOptions).fused_activation_function, True)


def _mul_params(op: Operator, a: Integer, b: Integer, y: Integer) -> mul_op.QMul:
    low, high = clamp(op, read_options(op, MulOptions).fused_activation_function, y)
    requant = TfliteRequant.from_scales(np.array([a.scale * b.scale / y.scale]))
    return mul_op.QMul(a.zero_point, b.zero_point, requant, y.zero_point, low, high)


def _types(b: Builder, op: Operator) -> list[Integer]:
    """Of both operands and the output. Raises `ModelError` where int8 and int16 mix, or a constant meets int16."""
    infos = (b.info(op, 0), b.info(op, 1), b.output(op))
    types = [activation_type(op.place, info) for info in infos]
    if len({type(each) for each in types}) > 1:
        raise ModelError(f"{op.place}: int8 and int16 operands; supported: one of them throughout")
    if isinstance(types[0], Int16) and any(info.data is not None for info in infos):
        raise ModelError(
            f"{op.place}: a constant operand with 16-bit activations; supported: two computed tensors; or convert to int8"
        )
    return types


def _binary(params_of: Callable[..., Params], run: Callable[..., np.ndarray], int16: bool = False) -> Handler:
    def build(b: Builder, op: Operator) -> None:
        try:
            params = params_of(op, *_types(b, op))
        except OverflowError as error:
            raise ModelError(f"{op.place}: {error}; {BADLY_SCALED}") from error
        fixed = [i for i in (0, 1) if b.info(op, i).data is not None]
        if fixed:
            tabulate(b, op, fixed[0], lambda x, y: run(params, x, y))
        else:
            operands = (b.value(op, 0), b.value(op, 1))
            b.add(op, params, operands if isinstance(params, mul_op.QMul) else _repeated(b, op, operands))

    return Handler(build, 2, int16)


def _repeated(b: Builder, op: Operator, operands: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """The operands of a sum in the output's shape: one that broadcasts is written out, since sums take two tensors alike."""
    shape = without_batch(op.place, b.output(op))
    rank = max(len(shape), *(len(x.shape) for x in operands))
    out = (1,) * (rank - len(shape)) + shape
    found = []
    for i, x in enumerate(operands):
        own = (1,) * (rank - len(x.shape)) + x.shape
        if any(n not in (1, m) for n, m in zip(own, out)):
            shapes = " and ".join(str(each.shape) for each in operands)
            raise ModelError(
                f"{op.place}: operands of the shapes {shapes} for {shape}; supported: shapes that broadcast to it"
            )
        steps = [math.prod(own[axis + 1 :]) for axis in range(rank)]
        loops = tuple((n, step if size > 1 else 0) for n, size, step in zip(out, own, steps))
        copy = StridedCopy(shape, loops)
        found.append(x if x.shape == shape else b.step(op, f"operand{i}", copy, (x,), Tensor("", shape, x.type)))
    return tuple(found)


def _extremum(choose: Callable[..., np.ndarray]) -> Handler:
    """MINIMUM or MAXIMUM of a computed operand and a constant: of the integers themselves, so of one quantization."""

    def build(b: Builder, op: Operator) -> None:
        fixed = [i for i in (0, 1) if b.info(op, i).data is not None]
        types = {int8_type(op.place, info) for info in (b.info(op, 0), b.info(op, 1), b.output(op))}
        if len(fixed) != 1 or len(types) != 1:
            raise ModelError(f"{op.place}: {len(fixed)} constants, {len(types)} quantizations; supported: a computed tensor "
                             "and a constant, all of one quantization")  # fmt: skip
        tabulate(b, op, fixed[0], choose)

    return Handler(build, 2)


def tabulate(b: Builder, op: Operator, fixed: int, run: Rounded) -> None:
    """The node for one computed operand and a constant one, number `fixed`: tables of what `run` gives, one for each different
    value."""
    x, value = b.value(op, 1 - fixed), b.constant(op, fixed, "INT8")
    period = _period(op, value, x.shape)
    every = np.broadcast_to(np.arange(-128, 128, dtype=np.int8), (len(period), 256))
    operands = [every, every]
    operands[fixed] = np.broadcast_to(period[:, None], every.shape)
    tables = run(operands[0], operands[1]).astype(np.int8)
    b.add(op, QLookup(tables[0]) if len(tables) == 1 else QChannelLookup.of(tables), (x,))


def _period(op: Operator, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The values that the elements of a sample of `shape` meet in turn. Raises `ModelError` where the constant does not
    broadcast to that shape."""
    whole = (1, *shape)
    padded = value.reshape((1,) * (len(whole) - value.ndim) + value.shape) if value.ndim <= len(whole) else value
    if padded.ndim != len(whole) or any(n not in (1, m) for n, m in zip(padded.shape, whole)):
        raise ModelError(f"{op.place}: a constant of the shape {value.shape} for the input {whole}; "
                         "supported: one that broadcasts to the input")  # fmt: skip
    first = next((i for i, n in enumerate(padded.shape) if n > 1), padded.ndim)
    period = np.broadcast_to(padded.reshape(padded.shape[first:]), whole[first:]).ravel()
    if period.size > MAX_PERIOD:
        raise ModelError(f"{op.place}: a constant for {period.size:,} elements; supported: up to {MAX_PERIOD:,}")
    return period if period.size else value.ravel()


def softmax(b: Builder, op: Operator) -> None:
    x, y = b.value(op, 0), activation_type(op.place, b.output(op))
    beta = read_options(op, SoftmaxOptions).beta
    if type(x.type) is not type(y):
        raise ModelError(f"{op.place}: {x.type} to {y}; supported: one width")
    try:
        params = (
            QSoftmax(exp_table(distance_scale(x.type.scale, beta)))
            if isinstance(x.type, Int8)
            else QWideSoftmax.of(x.integer.scale, beta)
        )
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; {BADLY_SCALED}") from error
    b.add(op, params, (x,))


def log_softmax(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    y = int8_type(op.place, b.output(op))
    assert isinstance(x.type, Int8)
    if y != TFLITE_OUTPUT:
        raise ModelError(f"{op.place}: output {y}; supported: {TFLITE_OUTPUT}")
    try:
        params = QLogSoftmax.of(x.type, y)
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; {BADLY_SCALED}") from error
    b.add(op, params, (x,))


HANDLERS = {
    "ADD": _binary(_add_params, add_op.run_int8, int16=True),
    "SUB": _binary(_sub_params, add_op.run_int8, int16=True),
    "MUL": _binary(_mul_params, mul_op.run_int8, int16=True),
    "MINIMUM": _extremum(np.minimum),
    "MAXIMUM": _extremum(np.maximum),
    "SOFTMAX": Handler(softmax, int16=True),
    "LOG_SOFTMAX": Handler(log_softmax),
}
