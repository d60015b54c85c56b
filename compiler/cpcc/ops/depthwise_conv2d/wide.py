"""Depthwise convolution with int16 activations, in portable C."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Int16, Node
from cpcc.ops import float_params
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.conv2d.geometry import geometry, padded_scratch
from cpcc.ops.depthwise_conv2d.semantics import (
    QDepthwiseConv2d,
    infer_shape,
    macs,
    per_channel,
    reach,
    run_float,
    run_int8,
    sample,
)
from cpcc.ops.wide import PADDED_FILES, WideOutput, check_wide, quantize_wide


@dataclass(frozen=True, eq=False)
class QWideDepthwiseConv2d(QDepthwiseConv2d):
    """As `QDepthwiseConv2d`, with a `WideOutput`; padding holds 0."""


def quantize(params: float_params.DepthwiseConv2d, inputs: tuple[Int16, ...], output: Int16) -> QWideDepthwiseConv2d:
    flat = params.weight.reshape(-1, params.weight.shape[2]).T
    w8, stage = quantize_wide(flat, params.bias, inputs[0], output, params.relu, params.ceiling)
    weight = np.ascontiguousarray(w8.T).reshape(params.weight.shape)
    return QWideDepthwiseConv2d(weight, stage, params.stride, params.padding, 0)


def check(node: Node, graph: Graph) -> None:
    output = node.params.output
    assert isinstance(output, WideOutput) and node.params.pad_value == 0
    check_wide(node, per_channel(node), output)


def pack(node: Node, graph: Graph) -> Packed:
    kh, kw, _ = node.params.weight.shape
    output, rows = node.params.output, per_channel(node)
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw,
        "weights": node.params.weight, **output.fields(),
    }  # fmt: skip
    return Packed(fields, 2 * padded_scratch(node, graph), output.entry_for(rows))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    outputs, (kh, kw, _) = graph.output_tensor(node).size, node.params.weight.shape
    return 1.0, outputs, outputs * kh, outputs * kh * kw, padded_scratch(node, graph)


OP = Op(
    name="depthwise_conv2d_wide",
    float_params=float_params.DepthwiseConv2d,
    int8_params=QWideDepthwiseConv2d,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel(
            "depthwise_conv2d_wide", pack, fitted("depthwise_conv2d_wide", features), wide=True, shared=PADDED_FILES
        ),
    ),
    macs=macs,
    reach=reach,
    check=check,
    weights=("weight",),
)
