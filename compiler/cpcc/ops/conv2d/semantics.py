"""What a 2-D convolution computes, in float and in int8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import exact_dot
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import float_params
from cpcc.ops.requantized import Output, check_overflow, input_type, quantize_affine
from cpcc.ops.samples import random_weights
from cpcc.ops.windows import Padding, conv_output_size, pad, windows


@dataclass(frozen=True, eq=False)
class QConv2d:
    """int8 `weight` (out, kh, kw, in); padding (top, bottom, left, right) holds the input's zero point."""

    weight: np.ndarray
    output: Output
    stride: tuple[int, int]
    padding: Padding
    pad_value: int

    @property
    def matrix(self) -> np.ndarray:
        """Weights as (out, kh * kw * in)."""
        return self.weight.reshape(len(self.weight), -1)


def infer_shape(params: float_params.Conv2d | QConv2d, x: tuple[int, ...]) -> tuple[int, ...]:
    out, kh, kw, channels = params.weight.shape
    if len(x) != 3 or x[2] != channels:
        raise ModelError(f"conv2d: the input is {x}, the weights expect (h, w, {channels})")
    return (*conv_output_size(x[0], x[1], (kh, kw), params.stride, params.padding), out)


def _patches(params: float_params.Conv2d | QConv2d, x: np.ndarray, value: float) -> np.ndarray:
    view = windows(pad(x, params.padding, value), params.weight.shape[1:3], params.stride)
    return view.reshape(*view.shape[:3], -1)


def run_float(params: float_params.Conv2d, x: np.ndarray) -> np.ndarray:
    weight = params.weight.reshape(len(params.weight), -1).astype(np.float64)
    y = _patches(params, x, 0.0) @ weight.T + params.bias
    return np.clip(y, 0, params.ceiling) if params.relu else y


def run_int8(params: QConv2d, x: np.ndarray) -> np.ndarray:
    return params.output.apply(exact_dot(_patches(params, x, params.pad_value), params.matrix))


def quantize(params: float_params.Conv2d, inputs: tuple[Int8, ...], output: Int8) -> QConv2d:
    flat = params.weight.reshape(len(params.weight), -1)
    w8, stage = quantize_affine(flat, params.bias, inputs[0], output, params.relu, params.ceiling, params.weight_scales)
    return QConv2d(w8.reshape(params.weight.shape), stage, params.stride, params.padding, inputs[0].zero_point)


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QConv2d):
        check_overflow(node, node.params.matrix, node.params.output)
        assert node.params.pad_value == input_type(node, graph).zero_point


def reach(params: QConv2d) -> int:
    return int(params.output.reach(params.matrix).max())


def macs(params: QConv2d, out_shape: tuple[int, ...]) -> tuple[int, int]:
    pixels = out_shape[0] * out_shape[1]
    return pixels * params.weight.size, pixels * int(np.count_nonzero(params.weight))


def sample(rng: np.random.Generator) -> tuple[float_params.Conv2d, tuple[tuple[int, ...], ...]]:
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 5)))
    h, w = (int(rng.integers(k, k + 7)) for k in kernel)
    channels, out = int(rng.choice([1, 2, 3, 5, 8, 12, 16, 16])), int(rng.choice([1, 2, 3, 6, 8]))
    weight, bias = random_weights(rng, (out, *kernel, channels))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
    top, bottom, left, right = (int(rng.integers(0, 3)) for _ in range(4))
    params = float_params.Conv2d(weight, bias, stride, (top, bottom, left, right), bool(rng.integers(2)))
    return params, ((h, w, channels),)
