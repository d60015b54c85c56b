"""What a depthwise convolution computes, in float and in int8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import float_params
from cpcc.ops.requantized import Output, check_overflow, input_type, quantize_affine
from cpcc.ops.samples import random_weights
from cpcc.ops.windows import Padding, conv_output_size, pad, windows


@dataclass(frozen=True, eq=False)
class QDepthwiseConv2d:
    """int8 `weight` (kh, kw, channels); padding (top, bottom, left, right) holds the input's zero point."""

    weight: np.ndarray
    output: Output
    stride: tuple[int, int]
    padding: Padding
    pad_value: int


def infer_shape(params: float_params.DepthwiseConv2d | QDepthwiseConv2d, x: tuple[int, ...]) -> tuple[int, ...]:
    kh, kw, channels = params.weight.shape
    if len(x) != 3 or x[2] != channels:
        raise ModelError(f"depthwise_conv2d: the input is {x}, the weights expect (h, w, {channels})")
    return (*conv_output_size(x[0], x[1], (kh, kw), params.stride, params.padding), channels)


def _correlate(params: float_params.DepthwiseConv2d | QDepthwiseConv2d, x: np.ndarray, value: float) -> np.ndarray:
    view = windows(pad(x, params.padding, value), params.weight.shape[:2], params.stride)
    return np.einsum("nijklc,klc->nijc", view, params.weight.astype(x.dtype))


def run_float(params: float_params.DepthwiseConv2d, x: np.ndarray) -> np.ndarray:
    y = _correlate(params, np.asarray(x, np.float64), 0.0) + params.bias
    return np.clip(y, 0, params.ceiling) if params.relu else y


def run_int8(params: QDepthwiseConv2d, x: np.ndarray) -> np.ndarray:
    return params.output.apply(_correlate(params, x.astype(np.int64), params.pad_value))


def quantize(params: float_params.DepthwiseConv2d, inputs: tuple[Int8, ...], output: Int8) -> QDepthwiseConv2d:
    kh, kw, channels = params.weight.shape
    flat = params.weight.reshape(-1, channels).T
    w8, stage = quantize_affine(flat, params.bias, inputs[0], output, params.relu, params.ceiling, params.weight_scales)
    weight = np.ascontiguousarray(w8.T).reshape(kh, kw, channels)
    return QDepthwiseConv2d(weight, stage, params.stride, params.padding, inputs[0].zero_point)


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QDepthwiseConv2d):
        per_channel = node.params.weight.reshape(-1, node.params.weight.shape[2]).T
        check_overflow(node, per_channel, node.params.output)
        assert node.params.pad_value == input_type(node, graph).zero_point


def reach(params: QDepthwiseConv2d) -> int:
    return int(params.output.reach(params.weight.reshape(-1, params.weight.shape[2]).T).max())


def macs(params: QDepthwiseConv2d, out_shape: tuple[int, ...]) -> tuple[int, int]:
    pixels = out_shape[0] * out_shape[1]
    return pixels * params.weight.size, pixels * int(np.count_nonzero(params.weight))


def per_channel(node: Node) -> np.ndarray:
    """int8 weights as (channels, kh * kw)."""
    channels = node.params.weight.shape[2]
    return np.ascontiguousarray(node.params.weight.reshape(-1, channels).T)


def sample(rng: np.random.Generator) -> tuple[float_params.DepthwiseConv2d, tuple[tuple[int, ...], ...]]:
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    shape = rng.random()  # some have kernels of their own
    if shape < 0.4:
        kernel, stride = (3, 3), (2, 2) if shape < 0.15 else (1, 1)
    elif shape < 0.7:
        taps = int(rng.integers(2, 8))
        kernel, stride = (taps, 1) if shape < 0.6 else (1, taps), (1, 1)
    h, w = (int(rng.integers(k, k + 6)) for k in kernel)
    channels = int(rng.choice([1, 2, 4, 5, 8]))
    per_channel, bias = random_weights(rng, (channels, *kernel))
    top, bottom, left, right = (int(rng.integers(0, 2)) for _ in range(4))
    if shape >= 0.4:  # a kernel one tap wide needs no padding there
        top, bottom, left, right = (
            top * (kernel[0] > 1),
            bottom * (kernel[0] > 1),
            left * (kernel[1] > 1),
            right * (kernel[1] > 1),
        )
    params = float_params.DepthwiseConv2d(
        np.ascontiguousarray(per_channel.transpose(1, 2, 0)),
        bias,
        stride,
        (top, bottom, left, right),
        bool(rng.integers(2)),
    )
    return params, ((h, w, channels),)
