"""2-D convolution over all input channels."""

from cpcc.ops import float_params
from cpcc.ops.base import Op
from cpcc.ops.conv2d import (
    blocks8,
    blocks8_apart,
    dense,
    mve,
    mve_blocks,
    nibbles,
    paired,
    paired_apart,
    signs8,
    sparse,
    sparse8,
    sparse8_apart,
    swar,
    swar2,
    unrolled,
    wide,
)
from cpcc.ops.conv2d.semantics import (
    QConv2d,
    check,
    infer_shape,
    macs,
    quantize,
    reach,
    run_float,
    run_int8,
    sample,
)

__all__ = ["OP", "QConv2d"]

OP = Op(
    name="conv2d",
    float_params=float_params.Conv2d,
    int8_params=QConv2d,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        dense.KERNEL,
        paired.KERNEL,
        paired_apart.KERNEL,
        sparse.KERNEL,
        sparse8.KERNEL,
        sparse8_apart.KERNEL,
        swar.KERNEL,
        swar2.KERNEL,
        mve.KERNEL,
        mve_blocks.KERNEL,
        blocks8.KERNEL,
        blocks8_apart.KERNEL,
        signs8.KERNEL,
        unrolled.KERNEL,
        nibbles.KERNEL,
        sparse.FEW,
        sparse.BLOCKS,
    ),
    macs=macs,
    reach=reach,
    check=check,
    wide=wide.OP,
    weights=("weight",),
)
