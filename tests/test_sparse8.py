"""The sparse convolution of eight pixels at a time: its corners, on the host and on the core."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpcc.fixedpoint import TfliteRequant, accumulator_bound
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, rounding_kind
from cpcc.formats.sparse8 import LIMIT
from cpcc.ops import conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.conv2d import sparse8 as kernel
from cpcc.ops.float_params import Conv2d
from cpcc.stack import library_stack
from support import NAME, Compiled, assert_equal, chain, compiled, detector_of, extreme_inputs


def only(other: Kernel) -> bool:
    return other is kernel.KERNEL or other not in conv2d.OP.kernels


def of(weight: np.ndarray, shape: tuple[int, ...], stride: tuple[int, int] = (1, 1), pad: int = 0) -> Compiled:
    rng = np.random.default_rng(0)
    bias = rng.normal(0, 0.1, len(weight)).astype(np.float32)
    conv = Conv2d(weight.astype(np.float32), bias, stride, (pad,) * 4, True)
    return compiled(detector_of(chain(shape, [(conv2d.OP, conv)]), rng), policy=only)


def check(c: Compiled, compiler: str = "zig") -> None:
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm(compiler).run(x, quantized=True, nodes=True))


def sparse(shape: tuple[int, ...], keep: float) -> np.ndarray:
    rng = np.random.default_rng(int(np.prod(shape)))
    return rng.normal(0, 1, shape) * (rng.random(shape) < keep)


@pytest.mark.parametrize(
    ("shape", "kernel_size", "stride", "pad"),
    [
        ((17, 5, 6), (3, 2), (2, 1), 1),  # narrow and tall: rows and columns change places
        ((4, 5, 9), (2, 3), (1, 2), 2),  # narrower than a tile either way
        ((3, 21, 1), (3, 5), (1, 3), 2),  # one channel, stride of three
        ((5, 9, 12), (1, 1), (1, 1), 0),
        ((5, 9, 12), (1, 1), (2, 2), 0),
    ],
)
def test_shapes(shape: tuple[int, int, int], kernel_size: tuple[int, int], stride: tuple[int, int], pad: int) -> None:
    check(of(sparse((5, *kernel_size, shape[2]), 0.4), shape, stride, pad))


@pytest.mark.parametrize("nonzeros", [0, 1, 31, 32, 33, 64, 65])
def test_rows_of_every_length(nonzeros: int) -> None:
    """Around the 32 unrolled entries; the second row's constants begin on either side of a word."""
    weight = np.zeros((3, 1, 1, 72))
    weight[0, 0, 0, :nonzeros], weight[1, 0, 0, 5], weight[2, 0, 0, -2:] = 1, -1, 1
    check(of(weight, (1, 8, 72)), "gcc" if nonzeros % 2 else "zig")


def test_rows_without_weights_are_written_as_constants() -> None:
    weight = sparse((6, 3, 3, 8), 0.2)
    weight[[0, 3, 5]] = 0
    check(of(weight, (6, 10, 8), pad=1))


def test_largest_sum() -> None:
    """Sums as large as are exact, of weights of 127 and -127 and inputs of -128; a wider layer is refused."""
    taken = []
    for columns in range(60, 131):
        weight = np.ones((2, 1, 1, columns)) * np.array([1, -1])[:, None, None, None]
        conv = Conv2d(weight.astype(np.float32), np.zeros(2, np.float32), (1, 1), (0, 0, 0, 0))
        graph = detector_of(chain((1, 8, columns), [(conv2d.OP, conv)]), np.random.default_rng(0)).graph
        bound = accumulator_bound(graph.nodes[0].params.matrix, graph.nodes[0].params.output.bias).max()
        assert kernel.applies(graph.nodes[0], graph) is bool(bound < LIMIT)
        taken += [weight] * bool(bound < LIMIT)
    assert 0 < len(taken) < 71
    check(of(taken[-1], (1, 8, taken[-1].shape[-1])))


def test_every_shift_of_tensorflow_lite() -> None:
    """A channel for each right shift from 1 on: those with code of their own and those without, both roundings, and rows
    whose constants begin on either side of a word."""
    shifts = np.arange(1, 18)
    rng = np.random.default_rng(3)
    weight = np.zeros((17, 1, 1, 40))
    for row, count in zip(weight, rng.integers(1, 40, 17)):
        row[0, 0, :count] = rng.choice([-1, 1], count)
    for relu, compiler in ((True, "zig"), (False, "gcc")):
        c = of(weight, (1, 9, 40))
        graph = c.detector.graph
        output = graph.nodes[0].params.output
        requant = TfliteRequant(rng.integers(2**30, 2**31, 17).astype(np.int32), (-shifts).astype(np.int8))
        limits = {"zero_point": 7, "low": 7 if relu else -128, "high": 127}
        params = replace(graph.nodes[0].params, output=replace(output, requant=requant, **limits))
        nodes = (replace(graph.nodes[0], params=params), *graph.nodes[1:])
        assert kernel.applies(nodes[0], graph)
        assert rounding_kind(params.output, params.matrix) == (TFLITE_RELU if relu else TFLITE)
        check(compiled(replace(c.detector, graph=replace(graph, nodes=nodes)), policy=only), compiler)


def test_no_call_goes_through_a_pointer() -> None:
    """The stack has a bound, which would be refused or far too large otherwise."""
    c = of(sparse((4, 3, 3, 8), 0.3), (6, 9, 8), pad=1)
    for compiler in ("zig", "gcc"):
        assert library_stack(c.arm_image(compiler), NAME).bytes < 300
