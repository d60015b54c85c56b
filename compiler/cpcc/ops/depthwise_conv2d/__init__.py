"""Depthwise 2-D convolution: one filter per channel."""

from cpcc.ops import float_params
from cpcc.ops.base import Op
from cpcc.ops.depthwise_conv2d import (
    column,
    mve,
    paired,
    portable,
    quad,
    stride2,
    tall,
    triple,
    twin,
    unrolled,
    wide,
)
from cpcc.ops.depthwise_conv2d.semantics import (
    QDepthwiseConv2d,
    check,
    infer_shape,
    macs,
    quantize,
    reach,
    run_float,
    run_int8,
    sample,
)

__all__ = ["OP", "QDepthwiseConv2d"]

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
        portable.KERNEL,
        quad.KERNEL,
        paired.KERNEL,
        twin.KERNEL,
        mve.KERNEL,
        triple.KERNEL,
        column.KERNEL,
        tall.KERNEL,
        stride2.KERNEL,
        unrolled.KERNEL,
    ),
    macs=macs,
    reach=reach,
    check=check,
    wide=wide.OP,
    weights=("weight",),
)
