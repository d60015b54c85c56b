"""Fully connected layer: ``y = clamp(requantize(weight @ x + bias))``."""

from cpcc.ops import float_params
from cpcc.ops.base import Op
from cpcc.ops.linear import (
    blocks,
    dense,
    mve,
    narrow,
    near_blocks,
    nibbles,
    paired,
    paired_apart,
    rows8,
    sparse,
    sparse2,
    unrolled,
    unrolled_apart,
    wide,
)
from cpcc.ops.linear.semantics import (
    QLinear,
    check,
    infer_shape,
    macs,
    quantize,
    reach,
    run_float,
    run_int8,
    sample,
)

__all__ = ["OP", "QLinear"]

OP = Op(
    name="linear",
    float_params=float_params.Linear,
    int8_params=QLinear,
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
        sparse2.KERNEL,
        rows8.KERNEL,
        mve.KERNEL,
        unrolled.KERNEL,
        unrolled_apart.KERNEL,
        narrow.KERNEL,
        nibbles.DENSE,
        nibbles.SPARSE,
        blocks.KERNEL,
        near_blocks.KERNEL,
    ),
    macs=macs,
    reach=reach,
    check=check,
    wide=wide.OP,
    weights=("weight",),
)
