"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.frontends.tflite.activation import clamp
from cpcc.frontends.tflite.builder import Builder, Handler, activation_type
from cpcc.frontends.tflite.padding import padding
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Int16, Tensor
from cpcc.ops.avg_pool2d import QAvgPool2d
from cpcc.ops.float_params import AvgPool2d, MaxPool2d
from cpcc.ops.lookup import QLookup
from cpcc.ops.relu import QRelu
from cpcc.ops.windows import Padding, conv_output_size


@dataclass(frozen=True)
class Pool2DOptions:
    padding: int
    stride_h: int
    stride_w: int
    filter_height: int
    filter_width: int
    fused_activation_function: int


Spans = tuple[tuple[int, int], ...]


def _spans(size: int, before: int, window: int, stride: int, count: int) -> Spans:
    """(start, stop) of each window, clipped to the input."""
    starts = [i * stride - before for i in range(count)]
    return tuple((max(s, 0), min(s + window, size)) for s in starts)


def _geometry(op: Operator, x: Tensor, options: Pool2DOptions) -> tuple[Padding, tuple[int, int]]:
    window, stride = (options.filter_height, options.filter_width), (options.stride_h, options.stride_w)
    pads = padding(op, options.padding, x.shape, window, stride)
    return pads, conv_output_size(x.shape[0], x.shape[1], window, stride, pads)


def _add(b: Builder, op: Operator, x: Tensor, options: Pool2DOptions, params: QAvgPool2d | MaxPool2d) -> None:
    """The pool, then its fused activation where that changes anything."""
    y = activation_type(op.place, b.output(op))
    if y != x.type:
        raise ModelError(f"{op.place}: input {x.type}, output {y}; supported: one quantization")
    low, high = clamp(op, options.fused_activation_function, y)
    if (low, high) == (y.low, y.high):
        b.add(op, params, (x,))
        return
    shape = b.output(op).shape[1:]
    if high < y.high and isinstance(y, Int16):
        raise ModelError(
            f"{op.place}: a fused activation with an upper limit of 16-bit activations; supported: NONE, RELU"
        )
    clipped = QLookup(np.clip(np.arange(-128, 128), low, high).astype(np.int8))
    b.add(op, QRelu(low) if high == y.high else clipped, (b.step(op, "pool", params, (x,), Tensor("", shape, y)),))


def average_pool_2d(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    options = read_options(op, Pool2DOptions)
    (top, _, left, _), (out_h, out_w) = _geometry(op, x, options)
    rows = _spans(x.shape[0], top, options.filter_height, options.stride_h, out_h)
    cols = _spans(x.shape[1], left, options.filter_width, options.stride_w, out_w)
    divisors = tuple(tuple((r1 - r0) * (c1 - c0) for c0, c1 in cols) for r0, r1 in rows)
    _add(b, op, x, options, QAvgPool2d(AvgPool2d(rows, cols, divisors), x.integer.zero_point))


def max_pool_2d(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    options = read_options(op, Pool2DOptions)
    pads, out_size = _geometry(op, x, options)
    kernel, stride = (options.filter_height, options.filter_width), (options.stride_h, options.stride_w)
    _add(b, op, x, options, MaxPool2d(kernel, stride, pads, out_size))


HANDLERS = {"AVERAGE_POOL_2D": Handler(average_pool_2d, int16=True), "MAX_POOL_2D": Handler(max_pool_2d, int16=True)}
