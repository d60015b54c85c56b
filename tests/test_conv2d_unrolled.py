"""Programs of very sparse convolutions: what they compute, what they take, and their corners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpcc.executors.elf import read_image
from cpcc.fixedpoint import TfliteRequant
from cpcc.formats.conv_program import affine_of
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, rounding_kind
from cpcc.ops import conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.conv2d import unrolled
from cpcc.ops.float_params import Conv2d
from cpcc.plan.sizes import stored_bytes
from cpcc.stack import library_stack
from support import NAME, Compiled, assert_equal, chain, compiled, detector_of, extreme_inputs


def only(kernel: Kernel) -> bool:
    return kernel is unrolled.KERNEL or kernel not in conv2d.OP.kernels


def of(
    weight: np.ndarray, shape: tuple[int, ...], stride: tuple[int, int] = (1, 1), pad: int = 0, relu: bool = True
) -> Compiled:
    rng = np.random.default_rng(0)
    bias = rng.normal(0, 0.1, len(weight)).astype(np.float32)
    conv = Conv2d(weight.astype(np.float32), bias, stride, (pad,) * 4, relu)
    return compiled(detector_of(chain(shape, [(conv2d.OP, conv)]), rng), policy=only)


def check(c: Compiled, compiler: str = "zig") -> None:
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm(compiler).run(x, quantized=True, nodes=True))


def with_rounding(c: Compiled, shifts: np.ndarray, relu: bool) -> Compiled:
    """`c` with TensorFlow Lite's rounding: the right shifts (channels,) and random multipliers."""
    graph, rng = c.detector.graph, np.random.default_rng(4)
    output = graph.nodes[0].params.output
    requant = TfliteRequant(rng.integers(2**30, 2**31, len(shifts)).astype(np.int32), (-shifts).astype(np.int8))
    limits = {"zero_point": 7, "low": 7 if relu else -128, "high": 127}
    params = replace(graph.nodes[0].params, output=replace(output, requant=requant, **limits))
    assert rounding_kind(params.output, params.matrix) == (TFLITE_RELU if relu else TFLITE)
    graph = replace(graph, nodes=(replace(graph.nodes[0], params=params), *graph.nodes[1:]))
    assert unrolled.applies(graph.nodes[0], graph)
    return compiled(replace(c.detector, graph=graph), policy=only)


def sparse(shape: tuple[int, ...], keep: float) -> np.ndarray:
    rng = np.random.default_rng(int(np.prod(shape)))
    return rng.normal(0, 1, shape) * (rng.random(shape) < keep)


@pytest.mark.parametrize(
    ("shape", "kernel_size", "stride", "pad"),
    [
        ((17, 5, 6), (3, 2), (2, 1), 1),
        ((4, 5, 9), (2, 3), (1, 2), 2),
        ((3, 21, 1), (3, 5), (1, 3), 2),  # one channel, stride of three
        ((7, 9, 12), (1, 1), (1, 1), 0),  # seven image rows in one
        ((12, 31, 3), (1, 1), (1, 1), 0),  # two, since three exceed the limit; and what a loop of eight leaves
        ((5, 9, 12), (1, 1), (2, 2), 0),
        ((3, 6, 4), (3, 1), (3, 1), 1),  # one row of several: not a 1x1 convolution's
        ((4, 6, 8), (3, 3), (3, 1), 0),
    ],
)
def test_shapes(shape: tuple[int, int, int], kernel_size: tuple[int, int], stride: tuple[int, int], pad: int) -> None:
    check(of(sparse((5, *kernel_size, shape[2]), 0.07), shape, stride, pad))


@pytest.mark.parametrize("relu", [False, True])
def test_rows_of_every_length(relu: bool) -> None:
    """No weight, one, those that registers hold and one more; 255 to 257 inputs."""
    weight = np.zeros((12, 1, 1, 256))
    for row, count in zip(weight, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 1)):
        row[0, 0, 255 - 7 * np.arange(count)] = np.arange(1, count + 1) - 5.5
    for columns, compiler in ((255, "zig"), (256, "gcc"), (257, "zig")):
        wide = np.zeros((12, 1, 1, columns))
        wide[..., :256] = weight[..., :columns]
        check(of(wide, (1, 13, columns), relu=relu), compiler)


@pytest.mark.parametrize("relu", [False, True])
def test_every_shift_of_tensorflow_lite(relu: bool) -> None:
    """Rows of one weight and of several, with right shifts from 1 on."""
    rng = np.random.default_rng(3)
    for counts in (np.ones(17, np.int64), rng.integers(2, 8, 17)):
        weight = np.zeros((17, 1, 1, 140))
        for row, count in zip(weight, counts):
            row[0, 0, :count] = rng.choice([-1, 1], count)
        c = of(weight, (1, 9, 140))
        check(with_rounding(c, np.arange(1, 18), relu), "zig" if relu else "gcc")


def test_no_weights() -> None:
    check(of(np.zeros((5, 3, 3, 4)), (5, 7, 4), pad=1))


def test_one_weight_needs_no_requantization() -> None:
    """Its output is one multiplication and a shift."""
    weight = np.zeros((2, 1, 1, 8))
    weight[0, 0, 0, 3], weight[1, 0, 0, 5] = 1, -0.7
    c = of(weight, (1, 16, 8))
    made = unrolled.layer_of(c.plan.steps[0].node, c.detector.graph).program
    assert (made.executed("C_AFFINE"), made.executed("C_ROUND")) == (32, 0)
    check(c)


def test_affine_forms_are_exact_or_refused() -> None:
    """Ties at every second input, rounded away from zero, have none; what is clamped does not count."""
    x = np.arange(-128, 128)
    half_away = np.sign(x) * ((np.abs(x) + 1) // 2)
    assert affine_of(half_away, 0.5, -128, 127) is None
    form = affine_of(np.maximum(half_away, 0), 0.5, 0, 127)
    assert form is not None
    np.testing.assert_array_equal(
        np.maximum(x * form.multiplier + form.offset >> form.shift, 0), np.maximum(half_away, 0)
    )
    few = x // 100  # outputs that are clamped nowhere
    form = affine_of(few, 0.01, -128, 127)
    assert form is not None
    np.testing.assert_array_equal(x * form.multiplier + form.offset >> form.shift, few)


def test_size_is_what_the_machine_code_takes() -> None:
    """The planner's figure for flash against the symbol's size."""
    c = of(sparse((23, 3, 3, 16), 0.03), (9, 11, 16), pad=1)
    code = unrolled.layer_of(c.plan.steps[0].node, c.detector.graph).program.nbytes
    for compiler in ("zig", "gcc"):
        symbols = read_image(c.arm_image(compiler)).symbols
        assert [s.size for name, s in symbols.items() if name.endswith("_program")] == [code]


def test_too_far_or_too_dense_is_refused() -> None:
    for weight, shape in ((sparse((2, 3, 3, 64), 0.02), (3, 40, 64)), (sparse((4, 1, 1, 64), 1.0), (1, 8, 64))):
        conv = Conv2d(weight.astype(np.float32), np.zeros(len(weight), np.float32), (1, 1), (0, 0, 0, 0))
        graph = detector_of(chain(shape, [(conv2d.OP, conv)]), np.random.default_rng(0)).graph
        assert not unrolled.applies(graph.nodes[0], graph)


def test_the_program_is_called_directly() -> None:
    for compiler in ("zig", "gcc"):
        stack = library_stack(of(sparse((7, 3, 3, 8), 0.05), (6, 9, 8)).arm_image(compiler), NAME)
        assert (
            stack.path[-1].endswith(("_program", "copy")) and stack.bytes < 150
        )  # a pointer would be refused or lead anywhere


def test_equal_programs_are_stored_once() -> None:
    """Two layers whose weights lie at the same places differ in their streams alone."""
    weight = sparse((8, 1, 1, 8), 0.0)
    weight[:, 0, 0, 2], weight[:, 0, 0, 6] = np.arange(1, 9), -2
    layers = [
        (conv2d.OP, Conv2d(w.astype(np.float32), np.zeros(8, np.float32), (1, 1), (0,) * 4))
        for w in (weight, weight[::-1])
    ]
    c = compiled(detector_of(chain((1, 16, 8), layers), np.random.default_rng(0)), policy=only)
    symbols = read_image(c.arm_image("zig")).symbols
    own = [s.size for name, s in symbols.items() if name.endswith("_program")]
    streams = [s.size for name, s in symbols.items() if name.endswith("_stream")]
    assert (len(own), len(streams)) == (1, 2)
    convolutions = [step.packed for step in c.plan.steps if step.kernel is unrolled.KERNEL]
    assert stored_bytes(convolutions) == sum(own) + sum(streams)
    check(c)
