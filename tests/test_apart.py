"""Kernels that keep constants apart from weights, so that layers with the same weights and other types store those once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cpcc.fixedpoint import Requant
from cpcc.ops import conv2d, depthwise_conv2d, linear
from cpcc.ops.base import Kernel, Op
from cpcc.ops.conv2d import paired_apart as conv_apart
from cpcc.ops.conv2d import sparse8_apart
from cpcc.ops.depthwise_conv2d import QDepthwiseConv2d, column, paired, quad, stride2, tall, triple
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.ops.linear import paired_apart as linear_apart
from cpcc.plan.sizes import times_stored
from support import chain, check_everywhere, compiled, detector_of, extreme_inputs

CONV = [((6, 7, 3), 3, 5, 1), ((5, 6, 8), 1, 16, 1), ((7, 5, 8), 3, 12, 1), ((9, 9, 4), 3, 7, 2), ((3, 9, 57), 3, 5, 1)]


def conv(shape: tuple[int, ...], kernel: int, out: int, stride: int) -> Conv2d:
    rng = np.random.default_rng(5)
    weight, bias = rng.normal(0, 1, (out, kernel, kernel, shape[2])), rng.normal(0, 0.1, out)
    return Conv2d(weight.astype(np.float32), bias.astype(np.float32), (stride, stride), (kernel // 2,) * 4)


def only(kernel: Kernel, op: Op) -> Callable[[Kernel], bool]:
    return lambda k: k is kernel or k not in op.kernels


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("case", CONV, ids=str)
def test_convolutions(case: tuple[tuple[int, ...], int, int, int], compiler: str) -> None:
    """One step of a patch and many, whole groups of four channels and others, odd widths, strides, padding."""
    rng = np.random.default_rng(1)
    detector = detector_of(chain(case[0], [(conv2d.OP, conv(*case))]), rng)
    c = compiled(detector, policy=only(conv_apart.KERNEL, conv2d.OP))
    check_everywhere(c, extreme_inputs(rng, case[0], 12), compiler)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize(
    "case", [((6, 7, 3), 3, 5, 1), ((9, 17, 8), 3, 7, 1), ((8, 33, 5), 3, 4, 2), ((4, 9, 57), 3, 5, 1)], ids=str
)
def test_sparse_convolutions(case: tuple[tuple[int, ...], int, int, int], compiler: str) -> None:
    """Rows without weights, whose outputs are one value, with one and with more than the unrolled entries; narrow images, tiles that overlap."""
    rng = np.random.default_rng(2)
    layer = conv(*case)
    kept = (
        rng.random(layer.weight.shape)
        < np.array([0.0, 0.02, 0.1, 0.3, 0.5, 0.1, 0.9])[: len(layer.weight), None, None, None]
    )
    thin = replace(layer, weight=layer.weight * kept, relu=True)
    c = compiled(detector_of(chain(case[0], [(conv2d.OP, thin)]), rng), policy=only(sparse8_apart.KERNEL, conv2d.OP))
    check_everywhere(c, extreme_inputs(rng, case[0], 12), compiler)


DEPTHWISE = [
    (paired.KERNEL, (7, 9, 6), (3, 3), (1, 1), (1, 1, 1, 1)), (paired.KERNEL, (6, 33, 5), (3, 3), (1, 1), (0, 1, 2, 0)),
    (tall.KERNEL, (7, 5, 6), (3, 3), (1, 1), (1, 1, 1, 1)), (tall.KERNEL, (33, 4, 8), (3, 3), (1, 1), (0, 2, 1, 0)),
    (stride2.KERNEL, (7, 11, 6), (3, 3), (2, 2), (1, 1, 1, 0)), (stride2.KERNEL, (5, 3, 9), (3, 3), (2, 2), (0, 0, 1, 1)),
    (column.KERNEL, (11, 3, 6), (4, 1), (1, 1), (2, 1, 0, 0)), (column.KERNEL, (2, 7, 8), (1, 5), (1, 1), (0, 0, 1, 0)),
    (quad.KERNEL, (7, 6, 11), (5, 5), (1, 1), (2, 2, 2, 2)), (quad.KERNEL, (12, 7, 6), (10, 4), (2, 2), (4, 5, 1, 2)),
    (quad.KERNEL, (5, 4, 8), (3, 3), (1, 2), (1, 1, 0, 1)), (quad.KERNEL, (9, 1, 5), (3, 1), (2, 1), (1, 0, 0, 0)),
    (quad.KERNEL, (3, 3, 7), (1, 1), (1, 1), (0, 0, 0, 0)), (quad.KERNEL, (2, 9, 12), (2, 3), (1, 1), (0, 1, 1, 1)),
    (triple.KERNEL, (6, 5, 11), (3, 3), (1, 2), (1, 1, 0, 1)), (triple.KERNEL, (3, 3, 8), (3, 3), (2, 2), (1, 1, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize(
    "case", DEPTHWISE, ids=lambda c: "-".join([c[0].name, *("x".join(map(str, each)) for each in c[1:])])
)
def test_depthwise(
    case: tuple[Kernel, tuple[int, ...], tuple[int, int], tuple[int, int], tuple[int, int, int, int]], compiler: str
) -> None:
    """The constants lie beside the weights for every layer: odd widths, channels that fill no group of four, outputs left over."""
    kernel, shape, size, stride, padding = case
    rng = np.random.default_rng(7)
    weight, bias = rng.normal(0, 1, (*size, shape[2])), rng.normal(0, 0.1, shape[2])
    layer = DepthwiseConv2d(weight.astype(np.float32), bias.astype(np.float32), stride, padding)
    c = compiled(
        detector_of(chain(shape, [(depthwise_conv2d.OP, layer)]), rng), policy=only(kernel, depthwise_conv2d.OP)
    )
    check_everywhere(c, extreme_inputs(rng, shape, 12), compiler)
    (step,) = [step for step in c.plan.steps if step.macs_dense]
    other = replace(step.node, params=scaled(step.node.params))
    assert step.kernel is kernel
    assert times_stored([step.packed, kernel.pack(other, c.plan.graph)]) == 1


def scaled(params: QDepthwiseConv2d) -> QDepthwiseConv2d:
    """The same weights, other scales and biases."""
    requant = params.output.requant
    assert isinstance(requant, Requant)
    other = replace(requant, multiplier=requant.multiplier // 3)
    return replace(params, output=replace(params.output, requant=other, bias=params.output.bias + 5))


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize(("out", "inputs"), [(3, 5), (4, 8), (14, 50), (9, 260), (16, 300)])
def test_fully_connected(out: int, inputs: int, compiler: str) -> None:
    """No group of four rows, one and several, rows left over; one step, one body of steps, more than one."""
    rng = np.random.default_rng(out)
    weight, bias = rng.normal(0, 1, (out, inputs)), rng.normal(0, 0.1, out)
    layer = Linear(weight.astype(np.float32), bias.astype(np.float32))
    c = compiled(detector_of(chain((inputs,), [(linear.OP, layer)]), rng), policy=only(linear_apart.KERNEL, linear.OP))
    check_everywhere(c, extreme_inputs(rng, (inputs,), 12), compiler)
