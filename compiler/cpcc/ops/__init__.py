"""The ops cpcc compiles. Adding one: a file here, its name in `OPS`, its kernels in ``firmware/kernels``."""

from __future__ import annotations

from cpcc.errors import ModelError
from cpcc.graph import Float32, Int8, Int16, Integer, Node
from cpcc.ops import (
    add,
    avg_pool2d,
    channel_lookup,
    concat,
    conv2d,
    convert,
    depthwise_conv2d,
    gru,
    gru_reset_before,
    linear,
    log_softmax,
    lookup,
    lstm,
    max_pool2d,
    mean,
    mul,
    pad,
    relu,
    reshape,
    roll,
    row_join,
    row_slice,
    softmax,
    strided_copy,
    weighted_sum,
    wide_sigmoid,
)
from cpcc.ops.base import Op

OPS: tuple[Op, ...] = (
    linear.OP,
    conv2d.OP,
    depthwise_conv2d.OP,
    max_pool2d.OP,
    avg_pool2d.OP,
    relu.OP,
    reshape.OP,
    add.OP,
    softmax.OP,
    log_softmax.OP,
    gru.OP,
    gru_reset_before.OP,
    lstm.OP,
    mean.OP,
    lookup.OP,
    channel_lookup.OP,
    mul.OP,
    weighted_sum.OP,
    concat.OP,
    pad.OP,
    strided_copy.OP,
    convert.OP,
)

LAYOUT: tuple[Op, ...] = (row_slice.OP, row_join.OP, roll.OP)  # no layers: the planner puts them into integer graphs

WIDE: tuple[Op, ...] = tuple(op.int16 for op in OPS if op.int16 is not None)
PRESCRIBED: tuple[Op, ...] = (wide_sigmoid.OP,)  # of models that are quantized already alone
_BY_PARAMS = {
    Float32: {op.float_params: op for op in (*OPS, *LAYOUT)},
    Int8: {op.int8_params: op for op in (*WIDE, *PRESCRIBED, *OPS, *LAYOUT)},
}


def op_of(node: Node, kind: type[Float32] | type[Int8]) -> Op:
    """The op whose `kind` of parameters the node carries. Raises `ModelError` where there is none."""
    op = _BY_PARAMS[kind].get(type(node.params))
    if op is None:
        raise ModelError(f"{node.name}: {type(node.params).__name__} is not an op of a {kind.__name__} graph")
    return op


def form_of(node: Node, output: Integer) -> Op:
    """The op that computes a float graph's `node` with an output of the type `output`."""
    op = op_of(node, Float32)
    wide = op.int16 if isinstance(output, Int16) else op
    assert wide is not None, f"{node.name} has no int16 form"
    return wide
