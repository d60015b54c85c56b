"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: int8 weights per channel or per tensor, int32 bias."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant, narrow, wide_requant
from cpcc.frontends.tflite.activation import clamp
from cpcc.frontends.tflite.builder import Builder, Handler, activation_type
from cpcc.frontends.tflite.padding import padding
from cpcc.frontends.tflite.schema import Operator, Quantization, read_options
from cpcc.graph import Int16, Integer, Tensor
from cpcc.ops.conv2d import QConv2d
from cpcc.ops.conv2d.wide import QWideConv2d
from cpcc.ops.depthwise_conv2d import QDepthwiseConv2d
from cpcc.ops.depthwise_conv2d.wide import QWideDepthwiseConv2d
from cpcc.ops.float_params import Reshape
from cpcc.ops.linear import QLinear
from cpcc.ops.linear.wide import QWideLinear
from cpcc.ops.requantized import Output
from cpcc.ops.wide import WideOutput

P = TypeVar("P", QLinear, QConv2d, QDepthwiseConv2d)
MAX_EXPANDED = 2**22  # weights after dilation or grouping is written out


@dataclass(frozen=True)
class Conv2DOptions:
    padding: int
    stride_h: int
    stride_w: int
    dilation_h_factor: int
    dilation_w_factor: int
    fused_activation_function: int


@dataclass(frozen=True)
class DepthwiseConv2DOptions:
    padding: int
    stride_h: int
    stride_w: int
    dilation_h_factor: int
    dilation_w_factor: int
    fused_activation_function: int


@dataclass(frozen=True)
class FullyConnectedOptions:
    fused_activation_function: int
    weights_format: int


def _weights(b: Builder, op: Operator, axis: int) -> tuple[np.ndarray, Quantization]:
    """int8 weights and their scales along `axis`. Raises `ModelError` where a weight is not symmetric."""
    info = b.info(op, 1)
    weights = b.constant(op, 1, "INT8")
    q = info.quantization
    if q is None:
        raise ModelError(f"{op.place}: the weights ({info.name}) have no scale; convert with full integer quantization")
    if q.zero_point.any():
        raise ModelError(f"{op.place}: the weights ({info.name}) have a zero point; supported: symmetric weights")
    if len(q.scale) > 1 and (q.axis != axis or len(q.scale) != weights.shape[axis]):
        raise ModelError(f"{op.place}: {len(q.scale)} scales along dimension {q.axis} of the weights {weights.shape}; "
                         f"supported: one, or one per output along dimension {axis}")  # fmt: skip
    return weights, q


def _real_scales(x: Integer, q: Quantization, y: Integer, channels: int) -> np.ndarray:
    """float64 scales (channels,) as TensorFlow Lite Micro computes them: float32 scales, multiplied and divided in
    double. (Older releases multiply those of FULLY_CONNECTED in float32: one output in 192,000 differs.)"""
    return np.broadcast_to(x.scale * q.scale.astype(np.float64) / y.scale, (channels,))


def _bias(b: Builder, op: Operator, channels: int, wide: bool) -> np.ndarray:
    """int64 (channels,); zeros where there is none. TensorFlow Lite Micro rounds otherwise where `wide` ones are not INT64."""
    if not b.has(op, 2) and not wide:
        return np.zeros(channels, np.int64)
    bias = b.constant(op, 2, "INT64" if wide else "INT32")
    if bias.size != channels:
        raise ModelError(f"{op.place}: {bias.size} biases for {channels} outputs; export the model again")
    return bias.reshape(-1).astype(np.int64)


def _output(b: Builder, op: Operator, x: Integer, rows: np.ndarray, q: Quantization, function: int) -> Output:
    """The output stage of weights `rows` (channels, k): the input's zero point folded into the bias."""
    y = activation_type(op.place, b.output(op))
    if type(x) is not type(y):
        raise ModelError(f"{op.place}: input {x}, output {y}; supported: both int8 or both int16")
    low, high = clamp(op, function, y)
    folded = _bias(b, op, len(rows), isinstance(y, Int16)) - x.zero_point * rows.astype(np.int64).sum(axis=1)
    scales = _real_scales(x, q, y, len(rows))
    try:
        if isinstance(y, Int16):
            requant, bias = wide_requant(scales, folded, np.asarray(~rows.any(axis=1)))
            return WideOutput(narrow(bias, np.int32), requant, 0, low, high)
        return Output(narrow(folded, np.int32), TfliteRequant.from_scales(scales), y.zero_point, low, high)
    except OverflowError as error:
        raise ModelError(f"{op.place}: {error}; quantize the model again with representative data") from error


def _dilated(op: Operator, weight: np.ndarray, dilation: tuple[int, int]) -> np.ndarray:
    """`weight` (out, kh, kw, in) with zeros between its taps: the same convolution without dilation."""
    if dilation == (1, 1):
        return weight
    out, kh, kw, channels = weight.shape
    size = ((kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1)
    _check_expansion(op, out * size[0] * size[1] * channels)
    spread = np.zeros((out, *size, channels), weight.dtype)
    spread[:, :: dilation[0], :: dilation[1]] = weight
    return spread


def _ungrouped(op: Operator, weight: np.ndarray, channels: int) -> np.ndarray:
    """`weight` (out, kh, kw, in of a group) with zeros for the other groups' channels."""
    out, kh, kw, own = weight.shape
    if own == channels:
        return weight
    groups = channels // own
    if channels % own or out % groups:
        raise ModelError(f"{op.place}: {channels} input channels, weights {weight.shape}; export the model again")
    _check_expansion(op, out * kh * kw * channels)
    full = np.zeros((out, kh, kw, channels), weight.dtype)
    per_group = out // groups
    for o in range(out):
        first = o // per_group * own
        full[o, :, :, first : first + own] = weight[o]
    return full


def _check_expansion(op: Operator, size: int) -> None:
    if not 0 < size <= MAX_EXPANDED:
        raise ModelError(
            f"{op.place}: {size:,} weights with the zeros of dilation or groups; supported: up to {MAX_EXPANDED:,}"
        )


def _window(op: Operator, options: Conv2DOptions | DepthwiseConv2DOptions) -> tuple[tuple[int, int], tuple[int, int]]:
    """(stride, dilation), both (h, w)."""
    dilation = (options.dilation_h_factor, options.dilation_w_factor)
    stride = (options.stride_h, options.stride_w)
    if min(dilation) < 1 or min(stride) < 1 or max(dilation) > 2**12:
        raise ModelError(f"{op.place}: stride {stride}, dilation {dilation}; supported: 1 to 4096")
    return stride, dilation


def conv_2d(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    options = read_options(op, Conv2DOptions)
    stride, dilation = _window(op, options)
    weight, q = _weights(b, op, 0)
    if weight.ndim != 4 or len(x.shape) != 3:
        raise ModelError(f"{op.place}: input {x.shape}, weights {weight.shape}; supported: (h, w, c), (out, kh, kw, c)")
    weight = _dilated(op, _ungrouped(op, weight, x.shape[2]), dilation)
    _convolve(b, op, x, weight, q, stride, options.padding, options.fused_activation_function)


def _convolve(
    b: Builder, op: Operator, x: Tensor, weight: np.ndarray, q: Quantization, stride: tuple[int, int], kind: int,
    function: int,
) -> None:  # fmt: skip
    kind_x = x.integer
    output = _output(b, op, kind_x, weight.reshape(len(weight), -1), q, function)
    pads = padding(op, kind, x.shape, (weight.shape[1], weight.shape[2]), stride)
    b.add(op, _formed(QConv2d(weight, output, stride, pads, kind_x.zero_point)), (x,))


def depthwise_conv_2d(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    options = read_options(op, DepthwiseConv2DOptions)
    stride, dilation = _window(op, options)
    weight, q = _weights(b, op, 3)
    if weight.ndim != 4 or weight.shape[0] != 1 or len(x.shape) != 3 or weight.shape[3] % x.shape[2]:
        raise ModelError(
            f"{op.place}: input {x.shape}, weights {weight.shape}; supported: (h, w, c), (1, kh, kw, c * n)"
        )
    function = options.fused_activation_function
    per_output = _dilated(op, weight[0].transpose(2, 0, 1)[..., None], dilation)  # (outputs, kh, kw, 1)
    if weight.shape[3] != x.shape[2]:  # several filters per channel: a grouped convolution
        full = _ungrouped(op, per_output, x.shape[2])
        _convolve(b, op, x, full, q, stride, options.padding, function)
        return
    kind = x.integer
    output = _output(b, op, kind, per_output.reshape(len(per_output), -1), q, function)
    pads = padding(op, options.padding, x.shape, (per_output.shape[1], per_output.shape[2]), stride)
    taps = np.ascontiguousarray(per_output[..., 0].transpose(1, 2, 0))
    b.add(op, _formed(QDepthwiseConv2d(taps, output, stride, pads, kind.zero_point)), (x,))


def fully_connected(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    options = read_options(op, FullyConnectedOptions)
    if options.weights_format:
        raise ModelError(f"{op.place}: shuffled weights; supported: the default format")
    weight, q = _weights(b, op, 0)
    if weight.ndim != 2 or not weight.size or math.prod(x.shape) % weight.shape[1]:
        raise ModelError(f"{op.place}: input {x.shape}, weights {weight.shape}; supported: (..., in), (out, in)")
    output = _output(b, op, x.integer, weight, q, options.fused_activation_function)
    rows = math.prod(x.shape) // weight.shape[1]
    if rows == 1:
        _vector(b, op, x, _formed(QLinear(weight, output)))
    else:
        _rows(b, op, x, rows, weight, output)


def _vector(b: Builder, op: Operator, x: Tensor, params: QLinear) -> None:
    y = b.output(op)
    flat = (len(params.weight),)
    if y.shape[1:] == flat:
        b.add(op, params, (x,))
        return
    inner = b.step(op, "product", params, (x,), Tensor("", flat, activation_type(op.place, y)))
    b.add(op, Reshape(y.shape[1:] or (1,)), (inner,))


def _rows(b: Builder, op: Operator, x: Tensor, rows: int, weight: np.ndarray, output: Output) -> None:
    """The same matrix for each of several rows: a 1x1 convolution."""
    outputs, inputs = weight.shape
    y = b.output(op)
    if y.shape[:1] != (1,):  # the batch holds the rows
        raise ModelError(f"{op.place}: {rows} rows in the batch; supported: 1, or rows in a dimension of their own")
    tall = b.step(op, "rows", Reshape((rows, 1, inputs)), (x,), Tensor("", (rows, 1, inputs), x.type))
    params = _formed(QConv2d(weight.reshape(outputs, 1, 1, inputs), output, (1, 1), (0, 0, 0, 0), x.integer.zero_point))
    inner = b.step(op, "product", params, (tall,), Tensor("", (rows, 1, outputs), activation_type(op.place, y)))
    b.add(op, Reshape(y.shape[1:]), (inner,))


_WIDE: dict[type, type] = {QLinear: QWideLinear, QConv2d: QWideConv2d, QDepthwiseConv2d: QWideDepthwiseConv2d}


def _formed(params: P) -> P:
    """`params`, as the op with int16 activations has them where their output stage is one of those."""
    return _WIDE[type(params)](**vars(params)) if isinstance(params.output, WideOutput) else params


HANDLERS = {
    "CONV_2D": Handler(conv_2d, int16=True),
    "DEPTHWISE_CONV_2D": Handler(depthwise_conv_2d, int16=True),
    "FULLY_CONNECTED": Handler(fully_connected, int16=True),
}
