"""Programs of sparse depthwise convolutions: what they compute, what they take, and their corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpcc.executors.elf import read_image
from cpcc.fixedpoint import TfliteRequant
from cpcc.formats.conv_program import least_bytes
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, rounding_kind
from cpcc.ops import depthwise_conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.depthwise_conv2d import unrolled
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.float_params import DepthwiseConv2d
from cpcc.plan.plan import make_plan
from cpcc.stack import library_stack
from cpcc.targets import TARGETS
from support import NAME, Compiled, chain, check_everywhere, compiled, detector_of, extreme_inputs

NONE, SAME = (0, 0, 0, 0), (1, 1, 1, 1)
Padding = tuple[int, int, int, int]


def only(kernel: Kernel) -> bool:
    return kernel is unrolled.KERNEL or kernel not in depthwise_conv2d.OP.kernels


def sparse(shape: tuple[int, ...], keep: float) -> np.ndarray:
    rng = np.random.default_rng(int(np.prod(shape)))
    return rng.normal(0, 1, shape) * (rng.random(shape) < keep)


def layer_for(
    weight: np.ndarray, stride: tuple[int, int] = (1, 1), padding: Padding = NONE, relu: bool = False
) -> DepthwiseConv2d:
    bias = np.random.default_rng(0).normal(0, 0.1, weight.shape[2]).astype(np.float32)
    return DepthwiseConv2d(weight.astype(np.float32), bias, stride, padding, relu)


def of(params: DepthwiseConv2d, shape: tuple[int, ...]) -> Compiled:
    return compiled(detector_of(chain(shape, [(depthwise_conv2d.OP, params)]), np.random.default_rng(0)), policy=only)


def check(c: Compiled, compiler: str = "zig") -> None:
    check_everywhere(c, extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape), compiler)


@pytest.mark.parametrize(
    ("shape", "kernel_size", "stride", "padding"),
    [
        ((17, 5, 6), (3, 2), (2, 1), SAME),
        ((9, 9, 8), (3, 3), (2, 2), (0, 1, 0, 1)),  # as TensorFlow pads
        ((7, 11, 5), (3, 3), (1, 1), (2, 0, 1, 2)),
        ((3, 21, 1), (3, 5), (1, 3), (0, 0, 2, 2)),  # one channel, stride of three
        ((24, 1, 8), (10, 1), (1, 1), NONE),  # a column, which is a row
        ((13, 1, 4), (5, 1), (2, 1), (2, 1, 0, 0)),
        ((13, 1, 4), (5, 3), (1, 1), (2, 2, 1, 1)),  # a column whose sides are padded is none
        ((1, 12, 7), (1, 4), (1, 1), (0, 0, 1, 2)),
        ((5, 9, 12), (1, 1), (2, 2), NONE),
        ((6, 31, 4), (5, 5), (1, 1), (2, 2, 2, 2)),  # three loops of eight and what they leave
    ],
)
@pytest.mark.parametrize("relu", [False, True])
def test_shapes(
    shape: tuple[int, int, int], kernel_size: tuple[int, int], stride: tuple[int, int], padding: Padding, relu: bool
) -> None:
    check(of(layer_for(sparse((*kernel_size, shape[2]), 0.3), stride, padding, relu), shape), "gcc" if relu else "zig")


def counted(rows: int, columns: int) -> np.ndarray:
    """One channel for each number of weights from none to all; the last ones, so that every row of the kernel has some."""
    weight = np.zeros((rows * columns, rows * columns + 1))
    for count in range(1, rows * columns + 1):
        weight[-count:, count] = np.arange(1, count + 1) - 4.5
    return weight.reshape(rows, columns, -1)


@pytest.mark.parametrize("relu", [False, True])
def test_channels_of_every_number_of_weights(relu: bool) -> None:
    """None, one, those that registers hold and more."""
    weight = counted(3, 4)
    weight = np.concatenate([weight, 0 * weight], axis=2)  # flash for the dense ones
    check(of(layer_for(weight, padding=SAME, relu=relu), (5, 9, weight.shape[2])), "gcc" if relu else "zig")


def with_rounding(c: Compiled, shifts: np.ndarray, relu: bool) -> Compiled:
    """`c` with TensorFlow Lite's rounding: the right shifts (channels,) and random multipliers."""
    graph, rng = c.detector.graph, np.random.default_rng(4)
    node = graph.nodes[0]
    requant = TfliteRequant(rng.integers(2**30, 2**31, len(shifts)).astype(np.int32), (-shifts).astype(np.int8))
    limits = {"zero_point": 7, "low": 7 if relu else -128, "high": 90 if relu else 127}
    params = replace(node.params, output=replace(node.params.output, requant=requant, **limits))
    assert rounding_kind(params.output, per_channel(replace(node, params=params))) == (TFLITE_RELU if relu else TFLITE)
    graph = replace(graph, nodes=(replace(node, params=params), *graph.nodes[1:]))
    assert unrolled.applies(graph.nodes[0], graph)
    return compiled(replace(c.detector, graph=graph), policy=only)


@pytest.mark.parametrize("relu", [False, True])
def test_every_shift_of_tensorflow_lite(relu: bool) -> None:
    """Channels of one weight, of two, of four, with right shifts from 1 on; clamped on both sides by ReLU6."""
    weight = np.zeros((9, 51))
    for channel, count in enumerate(np.tile([1, 2, 4], 17)):
        weight[: 2 * count : 2, channel] = np.random.default_rng(channel).choice([-1, 1], count)
    c = of(layer_for(weight.reshape(3, 3, 51), padding=SAME), (4, 7, 51))
    check(with_rounding(c, np.arange(51) // 3 + 1, relu), "zig" if relu else "gcc")


def test_no_weights_and_constant_channels() -> None:
    check(of(layer_for(np.zeros((3, 3, 5)), padding=SAME), (5, 7, 5)))
    weight = sparse((3, 3, 6), 0.3)
    weight[..., 1] = 0
    weight[..., 4] *= 1e-6  # its output is its bias, whatever the input
    check(of(layer_for(weight, padding=SAME, relu=True), (5, 7, 6)))


def test_size_is_what_the_machine_code_takes() -> None:
    """The planner's figure for flash against the symbol's size; the quick bound is below it."""
    c = of(layer_for(sparse((3, 3, 23), 0.4), padding=SAME), (9, 11, 23))
    layer = unrolled.layer_of(c.plan.steps[0].node, c.detector.graph)
    for compiler in ("zig", "gcc"):
        symbols = read_image(c.arm_image(compiler)).symbols
        assert [s.size for name, s in symbols.items() if name.endswith("_program")] == [layer.program.nbytes]
    assert (
        0 < least_bytes(layer.matrix, layer.output) <= layer.program.nbytes + layer.program.stream.nbytes <= layer.limit
    )


@pytest.mark.parametrize(
    ("kernel_size", "keep", "shape"), [((3, 3), 1.0, (4, 8, 8)), ((3, 3), 0.1, (3, 32, 64)), ((5, 5), 0.8, (6, 9, 8))]
)
def test_too_far_or_too_dense_is_refused(
    kernel_size: tuple[int, int], keep: float, shape: tuple[int, int, int]
) -> None:
    params = layer_for(sparse((*kernel_size, shape[2]), keep))
    graph = detector_of(chain(shape, [(depthwise_conv2d.OP, params)]), np.random.default_rng(0)).graph
    assert not unrolled.applies(graph.nodes[0], graph)


def test_the_program_is_called_directly() -> None:
    for compiler in ("zig", "gcc"):
        c = of(layer_for(sparse((3, 3, 8), 0.2), padding=SAME), (6, 9, 8))
        stack = library_stack(c.arm_image(compiler), NAME)
        assert stack.path[-1].endswith(("_program", "copy", "fill")) and stack.bytes < 150


def chosen(keep: float, stride: int = 1) -> str:
    params = layer_for(sparse((3, 3, 32), keep), (stride, stride), SAME, True)
    graph = detector_of(chain((12, 12, 32), [(depthwise_conv2d.OP, params)]), np.random.default_rng(0)).graph
    return make_plan(graph, TARGETS["stm32"]).steps[0].kernel.name


def test_the_auction_takes_it_where_channels_have_few_weights() -> None:
    assert chosen(0.1) == chosen(0.3) == chosen(0.3, stride=2) == "depthwise_unrolled"
    assert "depthwise_unrolled" not in (chosen(1.0), chosen(0.8), chosen(0.8, stride=2))
