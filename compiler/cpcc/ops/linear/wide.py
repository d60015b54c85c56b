"""Fully connected layer with int16 activations, in portable C."""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.costs import fitted
from cpcc.graph import Graph, Int16, Node
from cpcc.ops import float_params
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.linear import wide_dual
from cpcc.ops.linear.semantics import QLinear, infer_shape, macs, reach, run_float, run_int8, sample
from cpcc.ops.wide import FILES, WideOutput, check_wide, quantize_wide


@dataclass(frozen=True, eq=False)
class QWideLinear(QLinear):
    """As `QLinear`, with a `WideOutput`."""


def quantize(params: float_params.Linear, inputs: tuple[Int16, ...], output: Int16) -> QWideLinear:
    return QWideLinear(*quantize_wide(params.weight, params.bias, inputs[0], output, params.relu, params.ceiling))


def check(node: Node, graph: Graph) -> None:
    output = node.params.output
    assert isinstance(output, WideOutput)
    check_wide(node, node.params.weight, output)


def pack(node: Node, graph: Graph) -> Packed:
    weight, output = node.params.weight, node.params.output
    return Packed(
        {
            "in_features": weight.shape[1],
            "out_features": weight.shape[0],
            "weights": weight,
            **output.fields(),
        },
        entry=output.entry_for(weight),
    )


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, len(node.params.weight), node.params.weight.size


OP = Op(
    name="linear_wide",
    float_params=float_params.Linear,
    int8_params=QWideLinear,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(Kernel("linear_wide", pack, fitted("linear_wide", features), wide=True, shared=FILES), wide_dual.KERNEL),
    macs=macs,
    reach=reach,
    check=check,
    weights=("weight",),
)
