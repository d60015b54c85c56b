"""Kernels that keep constants apart from weights, so that layers with the same weights and other types store those once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from conftest import need_tool
from cpcc.detector import Detector
from cpcc.fixedpoint import Requant, TfliteRequant
from cpcc.formats.rounding import ONCE, TFLITE, TFLITE_RELU, rounding_kind
from cpcc.graph import Graph, Int8
from cpcc.ops import OPS, conv2d, depthwise_conv2d, linear, op_of
from cpcc.ops.base import Kernel, Op
from cpcc.ops.conv2d import blocks8_apart, sparse8_apart
from cpcc.ops.conv2d import paired_apart as conv_apart
from cpcc.ops.depthwise_conv2d import QDepthwiseConv2d, column, paired, quad, stride2, tall, triple
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.ops.linear import paired_apart as linear_apart
from cpcc.ops.linear import sparse2, unrolled_apart
from cpcc.ops.requantized import Output
from cpcc.plan.sizes import stored_bytes, times_stored
from cpcc.targets import TARGETS
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
@pytest.mark.parametrize(
    "case", [((6, 7, 4), 3, 5, 1), ((9, 17, 8), 3, 7, 1), ((8, 33, 12), 3, 4, 2), ((4, 9, 64), 3, 5, 1)], ids=str
)
def test_blocks(case: tuple[tuple[int, ...], int, int, int], compiler: str) -> None:
    """Rows without blocks, with one and with more than the unrolled ones; narrow images, tiles that overlap."""
    rng = np.random.default_rng(2)
    layer = conv(*case)
    out, height, width, channels = layer.weight.shape
    share = np.array([0.0, 0.02, 0.1, 0.3, 0.5, 0.1, 0.9])[:out, None, None, None]
    kept = (rng.random((out, height, width, channels // 4)) < share).repeat(4, -1)
    thin = replace(layer, weight=layer.weight * kept, relu=True)
    c = compiled(detector_of(chain(case[0], [(conv2d.OP, thin)]), rng), policy=only(blocks8_apart.KERNEL, conv2d.OP))
    check_everywhere(c, extreme_inputs(rng, case[0], 12), compiler)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize(("out", "inputs"), [(3, 5), (4, 8), (14, 50), (9, 260), (16, 300)])
def test_fully_connected(out: int, inputs: int, compiler: str) -> None:
    """No group of four rows, one and several, rows left over; one step, one body of steps, more than one."""
    rng = np.random.default_rng(out)
    weight, bias = rng.normal(0, 1, (out, inputs)), rng.normal(0, 0.1, out)
    layer = Linear(weight.astype(np.float32), bias.astype(np.float32))
    c = compiled(detector_of(chain((inputs,), [(linear.OP, layer)]), rng), policy=only(linear_apart.KERNEL, linear.OP))
    check_everywhere(c, extreme_inputs(rng, (inputs,), 12), compiler)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("kernel", [unrolled_apart.KERNEL, sparse2.KERNEL], ids=lambda k: k.name)
@pytest.mark.parametrize(("out", "inputs", "keep"), [(3, 5, 0.5), (5, 64, 0.1), (13, 50, 0.3), (465, 40, 0.02)])
def test_sparse_fully_connected(out: int, inputs: int, keep: float, kernel: Kernel, compiler: str) -> None:
    """Fewer than five rows, five, some left over, and as many as a program reaches; rows without weights."""
    rng = np.random.default_rng(out)
    weight = rng.normal(0, 1, (out, inputs)) * (rng.random((out, inputs)) < keep)
    layer = Linear(weight.astype(np.float32), rng.normal(0, 0.1, out).astype(np.float32), relu=True)
    c = compiled(detector_of(chain((inputs,), [(linear.OP, layer)]), rng), policy=only(kernel, linear.OP))
    assert c.plan.steps[0].kernel is kernel
    check_everywhere(c, extreme_inputs(rng, (inputs,), 12), compiler)


def test_programs_with_constants_apart_reach_so_many_rows() -> None:
    rng = np.random.default_rng(0)
    for out in (465, 466):
        layer = Linear(
            (rng.normal(0, 1, (out, 40)) * (rng.random((out, 40)) < 0.02)).astype(np.float32), np.zeros(out, np.float32)
        )
        graph = detector_of(chain((40,), [(linear.OP, layer)]), rng).graph
        assert unrolled_apart.KERNEL.applies(graph.nodes[0], graph) == (out == 465)


def roundings(output: Output) -> list[Output]:
    """One rounding, limits on both sides, the first two outputs one value; TensorFlow Lite's, the second output one value; behind a ReLU."""
    bias = np.concatenate([[-(2**26), 2**26], output.bias[2:]]).astype(np.int32)
    once = replace(output, bias=bias, zero_point=-3, low=-100, high=90)
    requant = TfliteRequant.from_scales(np.linspace(0.001, 0.002, len(bias)))
    tflite = replace(once, requant=requant, bias=np.concatenate([[5], bias[1:]]).astype(np.int32))
    return [once, tflite, replace(tflite, zero_point=-90, low=-90)]


def with_empty_channel(layer: Conv2d) -> Conv2d:
    return replace(layer, weight=layer.weight * (np.arange(len(layer.weight)) != 3)[:, None, None, None])


FULL = np.random.default_rng(3).normal(0, 1, (11, 37)).astype(np.float32)
HELIUM = {
    "linear_mve": ((37,), Linear(FULL, np.zeros(11, np.float32))),
    "conv2d_mve": ((5, 5, 3), conv((5, 5, 3), 3, 6, 1)),
    "conv2d_mve_blocks": ((5, 5, 16), with_empty_channel(conv((5, 5, 16), 3, 6, 1))),
    "depthwise_mve": (
        (7, 5, 6),
        DepthwiseConv2d(FULL[:9, :6].reshape(3, 3, 6), np.zeros(6, np.float32), (1, 1), (1, 1, 1, 1)),
    ),
}


def tall(stride: int, height: int = 3, width: int = 3) -> DepthwiseConv2d:
    """Ten channels: the last group of four overlaps the one before."""
    weight = FULL[: height * width, :10].reshape(height, width, 10)
    return DepthwiseConv2d(weight, np.zeros(10, np.float32), (stride, stride), (1, 1, width // 2, width // 2))


THIN = Linear(FULL * (FULL > 0.7), np.zeros(11, np.float32))
BESIDE = {
    **{("cortex-m55", name): case for name, case in HELIUM.items()},
    **{("stm32", f"depthwise_{name}"): ((7, 5, 10), tall(1)) for name in ("paired", "tall", "quad", "3x3")},
    ("stm32", "depthwise_stride2"): ((7, 5, 10), tall(2)),
    ("stm32", "depthwise_column"): ((11, 3, 10), tall(1, 4, 1)),
    ("stm32", "linear_sparse2"): ((37,), THIN),
    ("stm32", "linear_paired_apart"): ((37,), Linear(FULL, np.zeros(11, np.float32))),
    ("stm32", "conv2d_paired_apart"): ((5, 5, 3), conv((5, 5, 3), 3, 6, 1)),
    ("stm32", "conv2d_blocks8_apart"): ((5, 9, 8), with_empty_channel(conv((5, 9, 8), 3, 6, 1))),
    **{(core, "depthwise_twin"): ((7, 5, 10), tall(1)) for core in ("cortex-m3", "cortex-m0plus")},
    **{
        (core, "linear_rows8"): ((37,), Linear(FULL, np.zeros(11, np.float32)))
        for core in ("cortex-m3", "cortex-m0plus")
    },
}


def rounded(case: tuple[tuple[int, ...], object]) -> tuple[Detector, list[Graph]]:
    """A network of a layer, and graphs of it with other constants."""
    shape, params = case
    op = next(op for op in OPS if isinstance(params, op.float_params))
    detector = detector_of(chain(shape, [(op, params)]), np.random.default_rng(0))
    first, *behind = detector.graph.nodes
    outputs = roundings(first.params.output)
    assert [rounding_kind(o, first.params.weight) for o in outputs] == [ONCE, TFLITE, TFLITE_RELU]
    own = [replace(first, params=replace(first.params, output=output)) for output in outputs]
    return detector, [replace(detector.graph, nodes=(node, *behind)) for node in own]


def named(name: str) -> Kernel:
    return next(kernel for op in OPS for kernel in op.kernels if kernel.name == name)


@pytest.mark.parametrize("name", HELIUM)
def test_weights_for_helium_depend_on_nothing_else(name: str) -> None:
    """Whatever the rounding, and where outputs are one value: stored once, beside constants of their own."""
    _, graphs = rounded(HELIUM[name])
    packed = [named(name).pack(graph.nodes[0], graph) for graph in graphs]
    constants = [each.struct["constants"] for each in packed]
    assert times_stored(packed) == 1 and stored_bytes(packed) < sum(each.constant_bytes for each in packed)
    assert len({each.tobytes() for each in constants if isinstance(each, np.ndarray)}) == 3


def check_roundings(case: tuple[tuple[int, ...], object], target: str, name: str, compiler: str) -> None:
    detector, graphs = rounded(case)
    op = op_of(detector.graph.nodes[0], Int8)
    for graph in graphs:
        c = compiled(replace(detector, graph=graph), TARGETS[target], only(named(name), op))
        assert c.plan.steps[0].kernel.name == name
        check_everywhere(c, extreme_inputs(np.random.default_rng(1), graph.input.shape, 12), compiler)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize(("target", "name"), BESIDE)
def test_every_rounding(target: str, name: str, compiler: str) -> None:
    """Groups that the channels do not fill, a channel without weights, outputs that are one value."""
    if target == "cortex-m55":
        need_tool("qemu-system-arm")
    check_roundings(BESIDE[target, name], target, name, compiler)


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_every_rounding_of_whole_groups(compiler: str) -> None:
    """Where channels are left over, the tile is prepared anew for each pair of pixels, which hides what a pair leaves behind."""
    check_roundings(((5, 5, 3), conv((5, 5, 3), 3, 8, 1)), "stm32", "conv2d_paired_apart", compiler)
