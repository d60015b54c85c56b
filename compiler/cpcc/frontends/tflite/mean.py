"""MEAN over the rows and columns of an image: a depthwise convolution with weights of 1 and TensorFlow Lite's scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant, narrow
from cpcc.frontends.tflite.builder import Builder, Handler, int8_type
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Int8, Tensor
from cpcc.ops.depthwise_conv2d import QDepthwiseConv2d
from cpcc.ops.requantized import Output


@dataclass(frozen=True)
class ReducerOptions:
    keep_dims: bool


def mean_scale(x: Int8, y: Int8, count: int, channels: int) -> TfliteRequant:
    """The scale of the sum of `count` values: 1 / count is divided into the multiplier, rounded down
    (QuantizedMeanOrSum of tensorflow/lite/kernels/internal/reference/reduce.h)."""
    whole = TfliteRequant.from_scales(np.array([x.scale / y.scale]))
    multiplier, shift = int(whole.multiplier[0]), int(whole.shift[0])
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    divided = (multiplier << bits) // count
    return TfliteRequant(np.full(channels, divided, np.int32), narrow(np.full(channels, shift - bits), np.int8))


def mean(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    rank = len(x.shape) + 1
    axes = {int(v) % rank if -rank <= v < rank else int(v) for v in b.constant(op, 1, "INT32").ravel()}
    read_options(op, ReducerOptions)
    if (rank, axes) not in ((4, {1, 2}), (3, {1})):
        raise ModelError(f"{op.place}: axes {sorted(axes)} of the input {x.shape}; supported: 1 and 2 (rows and columns) "
                         "of an image, 1 of a series (length, channels)")  # fmt: skip
    if rank == 3:
        x = b.reshaped(op, "row", x, (1, *x.shape))
    h, w, channels = x.shape
    y = int8_type(op.place, b.output(op))
    assert isinstance(x.type, Int8)
    bias = np.full(channels, -x.type.zero_point * h * w, np.int32)
    output = Output(bias, mean_scale(x.type, y, h * w, channels), y.zero_point, -128, 127)
    params = QDepthwiseConv2d(np.ones(x.shape, np.int8), output, (1, 1), (0, 0, 0, 0), x.type.zero_point)
    if b.output(op).shape[1:] == (1, 1, channels):
        b.add(op, params, (x,))
    else:
        b.add_reshape(op, b.step(op, "image", params, (x,), Tensor("", (1, 1, channels), y)))


HANDLERS = {"MEAN": Handler(mean)}
