"""Functions of one value, each as a table of its 256 int8 results: the table is the exact integer arithmetic of
TensorFlow Lite Micro's kernel, worked out here for every input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant, rounding_shift
from cpcc.frontends.tflite.activation import quantized
from cpcc.frontends.tflite.builder import BADLY_SCALED, Builder, Handler, activation_type, int8_type
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Int8
from cpcc.ops import wide_sigmoid
from cpcc.ops.fixed_functions import logistic, tanh
from cpcc.ops.lookup import QLookup

EVERY = np.arange(-128, 128)
Q4_BITS = 27  # fraction bits of the input of logistic and tanh
Table = Callable[[Operator, Int8, Int8], np.ndarray]


@dataclass(frozen=True)
class LeakyReluOptions:
    alpha: float


def scaled(values: np.ndarray, scale: float) -> np.ndarray:
    """int64 ``values * scale`` in TensorFlow Lite's two roundings."""
    return TfliteRequant.from_scales(np.array([scale])).scale(values[:, None])[:, 0]


def requantized(op: Operator, x: Int8, y: Int8) -> np.ndarray:
    """QUANTIZE from int8 to int8."""
    return scaled(EVERY - x.zero_point, x.scale / y.scale) + y.zero_point


def relu(op: Operator, x: Int8, y: Int8) -> np.ndarray:
    """Rescaled and clamped from below, on the output's grid."""
    return np.maximum(requantized(op, x, y), y.zero_point)


def relu6(op: Operator, x: Int8, y: Int8) -> np.ndarray:
    """Clamped on the input's grid: it is not rescaled."""
    if x != y:
        raise ModelError(f"{op.place}: input {x}, output {y}; supported: one quantization")
    return np.clip(EVERY, x.zero_point, quantized(6.0, x))


def leaky_relu(op: Operator, x: Int8, y: Int8) -> np.ndarray:
    """Two scales, one for each sign."""
    alpha = read_options(op, LeakyReluOptions).alpha
    if not 0 < alpha < 2.0**16:
        raise ModelError(f"{op.place}: alpha {alpha}; supported: 0 to 65536")
    centred = EVERY - x.zero_point
    above, below = x.scale / y.scale, x.scale * alpha / y.scale
    return np.where(centred >= 0, scaled(centred, above), scaled(centred, below)) + y.zero_point


def _sigmoidal(op: Operator, x: Int8, y: Int8, function: Callable[[np.ndarray], np.ndarray], out: Int8) -> np.ndarray:
    """`function` of Q4.27 on the grid of `out`, saturated where the input exceeds 15."""
    if y != out:
        raise ModelError(f"{op.place}: output {y}; supported: {out}")
    _, exponent = np.frexp(x.scale * 2.0**Q4_BITS)
    if exponent < 0:
        raise ModelError(f"{op.place}: the input's scale is {x.scale:g}; supported: above 2**-27")
    radius = int(15 * 2.0**Q4_BITS / 2.0 ** int(exponent))
    centred = EVERY - x.zero_point
    inside = np.clip(centred, -radius, radius)  # beyond, the shift would leave int32
    value = function(scaled(inside, x.scale * 2.0**Q4_BITS))
    bits = 31 - round(-np.log2(out.scale))
    rounded = rounding_shift(value, bits) + out.zero_point
    return np.where(centred <= -radius, -128, np.where(centred >= radius, 127, rounded))


def hard_swish(op: Operator, x: Int8, y: Int8) -> np.ndarray:
    """16-bit fixed point: the input times its own place between -3 and 3 (reference/hard_swish.h)."""
    fine = np.float32(1 / 128) * np.float32(x.scale)
    output = TfliteRequant.from_scales(np.array([float(fine / np.float32(y.scale))]))
    place = TfliteRequant.from_scales(np.array([float(fine / np.float32(3.0 / 32768.0))]))
    output_shift, place_shift = int(output.shift[0]), int(place.shift[0])
    if output_shift > 0:
        raise ModelError(
            f"{op.place}: the output's scale is {y.scale:g}, the input's {x.scale:g}; supported: above 1/128 of it"
        )
    value = (EVERY - x.zero_point) << 7
    before_shift = _product16(value, _multiplier16(output))
    relu_like = _saturated(value << max(place_shift - 1, 0))
    relu_like = _product16(relu_like, _multiplier16(place))
    relu_like = _saturated(relu_like << 1) if place_shift > 0 else rounding_shift(relu_like, -place_shift)
    relu_like = (relu_like + (1 << 15)) >> 1
    weighted = relu_like * before_shift
    toward_zero = np.sign(weighted) * (np.abs(weighted) >> 15)
    return rounding_shift(toward_zero, -output_shift) + y.zero_point


def _multiplier16(requant: TfliteRequant) -> int:
    """The 31-bit significand in 15 bits."""
    return min((int(requant.multiplier[0]) + (1 << 15)) >> 16, 2**15 - 1)


def _product16(a: np.ndarray, b: int) -> np.ndarray:
    return (a * b + (1 << 14)) >> 15


def _saturated(a: np.ndarray) -> np.ndarray:
    return np.clip(a, -(2**15), 2**15 - 1)


def tabulated(table: Table) -> Handler:
    """The handler of an operator whose results `table` gives for -128 ... 127."""

    def build(b: Builder, op: Operator) -> None:
        x = b.value(op, 0)
        assert isinstance(x.type, Int8)
        y = int8_type(op.place, b.output(op))
        try:
            values = table(op, x.type, y)
        except OverflowError as error:
            raise ModelError(f"{op.place}: {error}; {BADLY_SCALED}") from error
        b.add(op, QLookup(np.clip(values, -128, 127).astype(np.int8)), (x,))

    return Handler(build)


def sigmoidal(function: str, table: Table) -> Handler:
    """LOGISTIC or TANH: a table of 256 results, or int16 arithmetic."""
    narrow = tabulated(table)

    def build(b: Builder, op: Operator) -> None:
        x = b.value(op, 0)
        if isinstance(x.type, Int8):
            return narrow.build(b, op)
        y = activation_type(op.place, b.output(op))
        if y != wide_sigmoid.OUTPUT:
            raise ModelError(f"{op.place}: output {y}; supported: {wide_sigmoid.OUTPUT}")
        try:
            b.add(op, wide_sigmoid.QWideSigmoid.of(function, x.integer.scale), (x,))
        except OverflowError as error:
            raise ModelError(f"{op.place}: {error}; {BADLY_SCALED}") from error

    return Handler(build, int16=True)


HANDLERS = {
    "QUANTIZE": tabulated(requantized),
    "RELU": tabulated(relu),
    "RELU6": tabulated(relu6),
    "LEAKY_RELU": tabulated(leaky_relu),
    "HARD_SWISH": tabulated(hard_swish),
    "LOGISTIC": sigmoidal("sigmoid", lambda op, x, y: _sigmoidal(op, x, y, logistic, Int8(1 / 256, -128))),
    "TANH": sigmoidal("tanh", lambda op, x, y: _sigmoidal(op, x, y, tanh, Int8(1 / 128, 0))),
}
