"""Convolution with int16 activations, in portable C."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Int16, Node
from cpcc.ops import float_params
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.conv2d import wide_dual
from cpcc.ops.conv2d.geometry import geometry, padded_scratch
from cpcc.ops.conv2d.semantics import QConv2d, infer_shape, macs, reach, run_float, run_int8, sample
from cpcc.ops.wide import PADDED_FILES, WideOutput, check_wide, quantize_wide


@dataclass(frozen=True, eq=False)
class QWideConv2d(QConv2d):
    """As `QConv2d`, with a `WideOutput`; padding holds 0."""


def quantize(params: float_params.Conv2d, inputs: tuple[Int16, ...], output: Int16) -> QWideConv2d:
    flat = params.weight.reshape(len(params.weight), -1)
    w8, stage = quantize_wide(flat, params.bias, inputs[0], output, params.relu, params.ceiling)
    return QWideConv2d(w8.reshape(params.weight.shape), stage, params.stride, params.padding, 0)


def check(node: Node, graph: Graph) -> None:
    output = node.params.output
    assert isinstance(output, WideOutput) and node.params.pad_value == 0
    check_wide(node, node.params.matrix, output)


def pack(node: Node, graph: Graph) -> Packed:
    out, kh, kw, _ = node.params.weight.shape
    output, matrix = node.params.output, node.params.matrix
    fields: dict[str, int | np.ndarray] = {
        **geometry(node, graph), "kernel_h": kh, "kernel_w": kw, "out_channels": out,
        "weights": node.params.weight, **output.fields(),
    }  # fmt: skip
    return Packed(fields, 2 * padded_scratch(node, graph), output.entry_for(matrix))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    out_h, out_w, out = graph.output_tensor(node).shape
    pixels, kernel_h = out_h * out_w, node.params.weight.shape[1]
    return (1.0, pixels, pixels * out, pixels * out * kernel_h, pixels * node.params.weight.size,
            padded_scratch(node, graph))  # fmt: skip


OP = Op(
    name="conv2d_wide",
    float_params=float_params.Conv2d,
    int8_params=QWideConv2d,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("conv2d_wide", pack, fitted("conv2d_wide", features), wide=True, shared=PADDED_FILES),
        wide_dual.KERNEL,
    ),
    macs=macs,
    reach=reach,
    check=check,
    weights=("weight",),
)
