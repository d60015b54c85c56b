"""Streams of the dual-MAC kernels: their order, and the bounds on which their exactness rests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpcc.formats.paired import LIMIT_B, pair_rows, pairable, widened_order
from cpcc.formats.rounding import ONCE, Rounding
from cpcc.formats.sparse8 import row_entries, stream
from cpcc.ops import conv2d, depthwise_conv2d, linear
from cpcc.ops.base import Kernel, Op
from cpcc.ops.conv2d import paired
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.targets import TARGETS
from support import chain, check_everywhere, compiled, detector_of, extreme_inputs, target_for


@given(st.integers(1, 6), st.integers(1, 40))
def test_every_input_has_one_place(rows: int, run: int) -> None:
    order = widened_order(rows, run)
    places = np.sort(order.ravel())
    np.testing.assert_array_equal(places[: rows * run], np.arange(rows * run))
    assert len(places) - rows * run <= 1 and (places[rows * run :] == rows * run).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_two_rows_come_apart_again(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-128, 128, (1, k)).astype(np.int8), rng.integers(-127, 128, (1, k)).astype(np.int8)
    halves = pair_rows(a, b, widened_order(1, k)).view(np.int16)[0].astype(np.int64)
    mixed, low = halves, halves.astype(np.int8).astype(np.int64)
    order = widened_order(1, k).ravel()
    np.testing.assert_array_equal(low[order < k], a[0][order[order < k]])
    np.testing.assert_array_equal((mixed - low >> 8)[order < k], b[0][order[order < k]])


@pytest.mark.parametrize(("k", "value", "possible"), [(516, -127, True), (517, -127, False), (1, -128, False)])
def test_rows_that_may_be_b(k: int, value: int, possible: bool) -> None:
    """The dot product with x = -128 must stay below 2**23; -128 does not fit above another weight."""
    weight = np.full((2, k), value, np.int8)
    assert pairable(weight) is possible
    assert (abs(value) * 128 * k < LIMIT_B) is possible or value == -128


def test_wide_gaps_are_bridged() -> None:
    row = np.array([0, 1, 0, 2], np.int8)
    offsets = np.array([0, 300, 600, 2000])
    assert row_entries(row, offsets) == 2 + 1 + 6
    rounding = Rounding(ONCE, np.zeros(1, np.int32), np.zeros((1, 1), np.int32))
    varying, value = np.zeros(1, bool), np.zeros(1, np.int8)
    assert stream(row[None], offsets, rounding, varying, value).nbytes == 16 + 2 + 2 * 9 + 2 + 2 + 4 + 20


def special_kernels(op: Op) -> list[Kernel]:
    return [kernel for kernel in op.kernels if kernel.requires]


def test_saturated_rows_at_the_bound() -> None:
    """All weights and inputs at their extremes, as many as are exact: host twin and ARM code equal numpy."""
    rng = np.random.default_rng(0)
    fc = Linear(np.ones((6, 344), np.float32) * rng.choice([-1, 1], (6, 1)), np.zeros(6, np.float32))
    conv = Conv2d(np.ones((5, 3, 3, 57), np.float32), np.zeros(5, np.float32), (1, 1), (1, 1, 1, 1))
    depthwise = DepthwiseConv2d(np.ones((3, 3, 5), np.float32), np.zeros(5, np.float32), (1, 1), (1, 1, 1, 1))
    for op, params, shape in (
        (linear.OP, fc, (344,)),
        (conv2d.OP, conv, (3, 9, 57)),
        (depthwise_conv2d.OP, depthwise, (5, 3, 5)),
    ):
        detector = detector_of(chain(shape, [(op, params)]), rng)
        node = detector.graph.nodes[0]
        x = np.stack([np.full(shape, -128), np.full(shape, 127)]).astype(np.int8)
        for kernel in special_kernels(op):
            if kernel.applies(node, detector.graph):
                others = [k for k in op.kernels if k is not kernel]
                c = compiled(detector, TARGETS[target_for(kernel)], lambda k, others=others: k not in others)
                expected = c.reference().run(x, quantized=True).output
                np.testing.assert_array_equal(c.host().run(x, quantized=True).output, expected, err_msg=kernel.name)
                np.testing.assert_array_equal(c.arm().run(x, quantized=True).output, expected, err_msg=kernel.name)


def only_paired(kernel: Kernel) -> bool:
    return kernel is paired.KERNEL or kernel not in conv2d.OP.kernels


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_three_runs_of_nine_bytes(compiler: str) -> None:
    """A 3x3 kernel on three channels, at strides 1 and 2, with and without padding."""
    rng = np.random.default_rng(0)
    for shape, stride, pad in (((6, 7, 3), 1, 1), ((7, 8, 3), 2, 0)):
        weight, bias = rng.normal(0, 1, (5, 3, 3, 3)), rng.normal(0, 0.1, 5)
        layer = Conv2d(weight.astype(np.float32), bias.astype(np.float32), (stride, stride), (pad,) * 4)
        c = compiled(detector_of(chain(shape, [(conv2d.OP, layer)]), rng), policy=only_paired)
        check_everywhere(c, extreme_inputs(rng, shape), compiler)
