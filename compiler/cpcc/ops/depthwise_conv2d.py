"""Depthwise 2-D convolution: one filter per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.depthwise import paired_stream, quad_stream
from cpcc.errors import ModelError
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import float_params
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Op, Packed
from cpcc.ops.conv2d import geometry, strip_bytes
from cpcc.ops.requantized import Output, check_overflow, input_type, quantize_affine
from cpcc.ops.samples import random_weights
from cpcc.ops.windows import Padding, conv_output_size, pad, padded_bytes, windows
from cpcc.rounding import TFLITE, TFLITE_RELU, is_tflite, rounding_kind, rounding_of


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
    w8, stage = quantize_affine(flat, params.bias, inputs[0], output, params.relu, params.ceiling)
    weight = np.ascontiguousarray(w8.T).reshape(kh, kw, channels)
    return QDepthwiseConv2d(weight, stage, params.stride, params.padding, inputs[0].zero_point)


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QDepthwiseConv2d):
        per_channel = node.params.weight.reshape(-1, node.params.weight.shape[2]).T
        check_overflow(node, per_channel, node.params.output)
        assert node.params.pad_value == input_type(node, graph).zero_point


def macs(params: QDepthwiseConv2d, out_shape: tuple[int, ...]) -> tuple[int, int]:
    pixels = out_shape[0] * out_shape[1]
    return pixels * params.weight.size, pixels * int(np.count_nonzero(params.weight))


def pack(node: Node, graph: Graph) -> Packed:
    kh, kw, _ = node.params.weight.shape
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw,
        "weights": node.params.weight, **node.params.output.fields(),
    }  # fmt: skip
    scratch = padded_bytes(graph.tensors[node.inputs[0]].shape, node.params.padding)
    return Packed(fields, scratch, node.params.output.entry)


def per_channel(node: Node) -> np.ndarray:
    """int8 weights as (channels, kh * kw)."""
    channels = node.params.weight.shape[2]
    return np.ascontiguousarray(node.params.weight.reshape(-1, channels).T)


QUAD_TAPS = 12  # unrolled in the assembly


def _is_column(node: Node) -> bool:
    kh, kw, _ = node.params.weight.shape
    return bool(kw == 1 and 1 < kh <= QUAD_TAPS)


def pack_quad(node: Node, graph: Graph) -> Packed:
    kh, kw, _ = node.params.weight.shape
    output, weight = node.params.output, per_channel(node)
    rounding = rounding_of(output, weight)
    assert rounding is not None
    column = _is_column(node)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "runs": 1 if column else kh, "taps": kh if column else kw,
        "stream": quad_stream(weight, rounding),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, strip_bytes(node, graph, kh, outputs=1))


PAIRS_BYTES = 2048  # of scratch, unless two strips need more


def paired_strips(node: Node, graph: Graph) -> tuple[int, int]:
    """(strips held at a time, padded columns): weights are loaded once for all strips held."""
    rows, width, _ = graph.output_tensor(node).shape
    columns = width + 2
    return max(1, min((rows + 1) // 2, PAIRS_BYTES // (32 * columns) - 1)), columns


def pack_paired(node: Node, graph: Graph) -> Packed:
    strips, columns = paired_strips(node, graph)
    output, weight = node.params.output, per_channel(node)
    rounding = rounding_of(output, weight)
    assert rounding is not None
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "strips": strips, "stream": paired_stream(weight, rounding),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, 32 * columns * (strips + 1))


def paired_applies(node: Node, graph: Graph) -> bool:
    return node.params.weight.shape[:2] == (3, 3) and node.params.stride == (1, 1) and quad_applies(node, graph)


def quad_applies(node: Node, graph: Graph) -> bool:
    _, kw, channels = node.params.weight.shape
    return channels >= 4 and kw <= QUAD_TAPS and rounding_of(node.params.output, per_channel(node)) is not None


# Features for `costs.fitted`.
def features(node: Node, graph: Graph) -> tuple[float, ...]:
    outputs, (kh, kw, _) = graph.output_tensor(node).size, node.params.weight.shape
    padded = padded_bytes(graph.tensors[node.inputs[0]].shape, node.params.padding)
    return outputs, outputs * kh, outputs * kh * kw, padded, outputs * is_tflite(node.params.output)


def features_quad(node: Node, graph: Graph) -> tuple[float, ...]:
    out_h, out_w, channels = graph.output_tensor(node).shape
    kh, kw, _ = node.params.weight.shape
    runs, taps = (1, kh) if _is_column(node) else (kh, kw)
    quads = out_h * out_w * -(-channels // 4)
    copied = out_h * strip_bytes(node, graph, kh, 1)
    kind = rounding_kind(node.params.output, per_channel(node))
    rounded = quads * (kind == TFLITE), quads * (kind == TFLITE_RELU)
    return quads, quads * runs, quads * runs * taps, *rounded, copied, out_h * out_w, out_h


def features_paired(node: Node, graph: Graph) -> tuple[float, ...]:
    out_h, out_w, channels = graph.output_tensor(node).shape
    groups, all_strips = -(-channels // 4), -(-out_h // 2)
    held = paired_strips(node, graph)[0]
    strips, chunks = groups * all_strips, groups * -(-all_strips // held)
    kind = rounding_kind(node.params.output, per_channel(node))
    twos, ones = strips * (out_w // 2), strips * (out_w % 2)
    return (
        groups, chunks, strips, twos, ones, (twos + ones) * (kind == TFLITE), (twos + ones) * (kind == TFLITE_RELU),
        (strips + groups) * out_w, chunks * out_w,
    )  # fmt: skip


def sample(rng: np.random.Generator) -> tuple[float_params.DepthwiseConv2d, tuple[tuple[int, ...], ...]]:
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    if rng.random() < 0.4:  # the shape that has a kernel of its own
        kernel, stride = (3, 3), (1, 1)
    h, w = (int(rng.integers(k, k + 6)) for k in kernel)
    channels = int(rng.choice([1, 2, 4, 5, 8]))
    per_channel, bias = random_weights(rng, (channels, *kernel))
    top, bottom, left, right = (int(rng.integers(0, 2)) for _ in range(4))
    params = float_params.DepthwiseConv2d(
        np.ascontiguousarray(per_channel.transpose(1, 2, 0)),
        bias,
        stride,
        (top, bottom, left, right),
        bool(rng.integers(2)),
    )
    return params, ((h, w, channels),)


QUAD_FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c")
PAIRED_FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_rows2.h", "kernels/cpcc_rows2.c")

OP = Op(
    name="depthwise_conv2d",
    float_params=float_params.DepthwiseConv2d,
    int8_params=QDepthwiseConv2d,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("depthwise_conv2d", pack, fitted("depthwise_conv2d", features)),
        Kernel(
            "depthwise_quad", pack_quad, fitted("depthwise_quad", features_quad), DSP, quad_applies, shared=QUAD_FILES
        ),
        Kernel(
            "depthwise_paired",
            pack_paired,
            fitted("depthwise_paired", features_paired),
            DSP,
            paired_applies,
            shared=PAIRED_FILES,
        ),
    ),
    macs=macs,
    check=check,
    weights=("weight",),
)
