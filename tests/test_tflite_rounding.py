"""TensorFlow Lite's two-step requantization: numpy against a big-integer model, the kernels against numpy."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import need_tool
from cpcc.detector import Decision, Detector, InputSpec, Network
from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant, rounding_shift
from cpcc.frontends.tflite import to_graph
from cpcc.graph import Graph, Int8, Node, Tensor, validate
from cpcc.models.quantized_model import input_specs
from cpcc.ops import OPS, add, linear, log_softmax, mul, op_of, softmax
from cpcc.ops.base import Kernel, Op
from cpcc.ops.float_params import Add
from cpcc.ops.requantized import Output
from cpcc.targets import TARGETS
from support import assert_equal, check_everywhere, compiled, detector_of, extreme_inputs, single, target_for
from tflite_samples import branchy_network

ELEMENTWISE = ("add_tflite", "add_table_tflite", "add_affine", "add_affine_table", "add_mve", "mul")
# A program has shifts among its steps, which calls of one layer would not have in common.
ROUNDED = [
    (op, kernel)
    for op in OPS
    for kernel in op.kernels
    if (op.weights and kernel.name != "linear_unrolled_apart") or kernel.name in ELEMENTWISE
]


def half_away(value: Fraction) -> int:
    """`value` rounded to the nearest integer, halves away from zero."""
    nearest = int(abs(value) + Fraction(1, 2))
    return nearest if value >= 0 else -nearest


def model(acc: int, scale: float) -> int:
    """The two roundings in exact arithmetic, written from the definition: a 31-bit significand, halves up; then the
    power of two, halves away from zero."""
    exponent = 0
    significand = Fraction(scale)
    while significand >= 1:
        significand, exponent = significand / 2, exponent + 1
    while significand < Fraction(1, 2):
        significand, exponent = significand * 2, exponent - 1
    multiplier = int(significand * 2**31 + Fraction(1, 2))
    if multiplier == 2**31:
        multiplier, exponent = 2**30, exponent + 1
    if exponent < -31:
        return 0
    high = (Fraction(acc * 2 ** max(exponent, 0) * multiplier, 2**31) + Fraction(1, 2)).__floor__()
    return half_away(Fraction(high, 2 ** max(-exponent, 0)))


EDGES = [0, 1, -1, 2, -2, 3, -3, 2**30, -(2**30), 2**31 - 1, -(2**31) + 1]
scales = st.one_of(
    st.floats(1e-11, 1 - 1e-9),
    st.integers(0, 33).map(lambda s: 2.0**-s),
    st.integers(1, 33).map(lambda s: float(np.nextafter(2.0**-s, 0))),
)


@given(scales, st.one_of(st.sampled_from(EDGES), st.integers(-(2**31) + 1, 2**31 - 1)))
def test_two_roundings(scale: float, acc: int) -> None:
    assert int(TfliteRequant.from_scales(np.array([scale])).scale(np.array([acc]))[0]) == model(acc, scale)


@given(st.floats(1, 200), st.integers(-(2**22), 2**22))
def test_left_shifts(scale: float, acc: int) -> None:
    assert int(TfliteRequant.from_scales(np.array([scale])).scale(np.array([acc]))[0]) == model(acc, scale)


@given(st.integers(0, 31), st.integers(-300, 300))
def test_ties(shift: int, k: int) -> None:
    """Around every half-way point of the second rounding."""
    middle = k * 2**shift + (2**shift) // 2
    for x in (middle - 1, middle, middle + 1):
        assert int(rounding_shift(np.array([x]), shift)[0]) == half_away(Fraction(x, 2**shift))


def test_design_formula() -> None:
    """q = (acc*M + 2**30 + 2**(30+s) - (2**31 if acc*M + 2**30 < 0)) >> (31+s): one 64-bit multiply-add."""
    rng = np.random.default_rng(0)
    acc = rng.integers(-(2**31) + 1, 2**31, 200_000) >> rng.integers(0, 31, 200_000)
    multiplier, s = rng.integers(2**30, 2**31, 200_000), rng.integers(1, 31, 200_000)
    product = acc * multiplier + 2**30
    formula = (product + (1 << (30 + s)) - np.where(product < 0, 1 << 31, 0)) >> (31 + s)
    np.testing.assert_array_equal(rounding_shift(product >> 31, s), formula)


def test_a_scale_too_large_is_refused() -> None:
    with pytest.raises(OverflowError, match="supported: below"):
        TfliteRequant.from_scales(np.array([2.0**32]))


def _outputs_of(graph: Graph, rng: np.random.Generator) -> Graph:
    """`graph` with TensorFlow Lite's rounding and random scales: mostly below 1/2, sometimes above 1 or tiny."""

    def rounded(node: Node) -> Node:
        if isinstance(node.params, add.QAdd):
            types = [graph.tensors[name].type for name in (*node.inputs, node.output)]
            return replace(node, params=replace(node.params, scaling=add.tflite_add_scaling(*types)))
        if isinstance(node.params, mul.QMul):
            scale = rng.uniform(0.5, 1, 1) * 2.0 ** rng.integers(-20, 4)
            return replace(node, params=replace(node.params, requant=TfliteRequant.from_scales(scale)))
        if not hasattr(node.params, "output"):
            return node
        output = node.params.output
        channels = len(output.bias)
        magnitude = rng.choice([-1.0, -7.0, -14.0, -30.0, -33.0, 2.0], channels, p=[0.15, 0.35, 0.3, 0.1, 0.05, 0.05])
        requant = TfliteRequant.from_scales(rng.uniform(0.5, 1, channels) * 2.0**magnitude)
        return replace(node, params=replace(node.params, output=replace(output, requant=requant)))

    return validate(replace(graph, nodes=tuple(rounded(node) for node in graph.nodes)), Int8)


def check(op: Op, kernel: Kernel, target: str, rng: np.random.Generator) -> bool:
    """Whether the kernel could run what was drawn; where it can, the executors must agree."""
    detector = detector_of(single(op, rng), rng)
    try:
        graph = _outputs_of(detector.graph, rng)
    except ModelError as error:  # a bias too large for the left shift drawn
        assert "accumulator" in str(error)
        return False
    if not all(kernel.applies(node, graph) for node in graph.nodes if kernel in op_of(node, Int8).kernels):
        return False
    c = compiled(replace(detector, graph=graph), TARGETS[target], lambda k: k is kernel or k not in op.kernels)
    x = extreme_inputs(rng, graph.input.shape)
    check_everywhere(c, x)
    return True


@pytest.mark.parametrize(("op", "kernel"), ROUNDED, ids=[kernel.name for _, kernel in ROUNDED])
@settings(max_examples=2)
@given(seed=st.integers(0, 2**32 - 1))
def test_kernels(op: Op, kernel: Kernel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert any(check(op, kernel, target_for(kernel), rng) for _ in range(200)), "no sample of the op suits the kernel"


@pytest.mark.parametrize(
    ("name", "target"),
    [("add_table_tflite", "stm32"), ("add_affine", "stm32"), ("add_affine_table", "cortex-m3"),
     ("add_affine_table", "cortex-m0plus"), ("add_mve", "cortex-m55")],
)  # fmt: skip
@pytest.mark.parametrize("relu", [False, True])
def test_long_sums(relu: bool, name: str, target: str) -> None:
    """Of 37 elements: whole words and a rest, with and without the correction of negative numbers."""
    if target == "cortex-m55":
        need_tool("qemu-system-arm")
    op = replace(add.OP, sample=lambda rng: (Add(relu), ((37,), (37,))))
    kernel = next(kernel for kernel in op.kernels if kernel.name == name)
    assert check(op, kernel, target, np.random.default_rng(1))


def test_ties_on_the_host() -> None:
    """One input, weight 1: the accumulator is the input, and a scale just below 2**-s meets every half-way point."""
    scales = np.array([np.nextafter(2.0**-s, 0) for s in range(7)] + [1.0, 2.0, 3.0])
    requant = TfliteRequant.from_scales(scales)
    output = Output(np.zeros(10, np.int32), requant, 0, -128, 127)
    node = Node("fc", linear.QLinear(np.ones((10, 1), np.int8), output), ("x",), "y")
    tensors = {"x": Tensor("x", (1,), Int8(1.0, 0)), "y": Tensor("y", (10,), Int8(1.0, 0))}
    graph = validate(Graph("t", tensors, (node,), ("x",), ("y",)), Int8)
    spec = InputSpec("int8", (1,), np.zeros(1, np.float32), np.ones(1, np.float32))
    c = compiled(Detector(graph, (spec,), (Decision(0, 1, 0, 0.0, 1.0, 1),)))
    x = np.arange(-128, 128, dtype=np.int8)[:, None]
    want = [[max(-128, min(127, model(int(acc), scale))) for scale in scales] for acc in x[:, 0]]
    np.testing.assert_array_equal(c.reference().run(x, quantized=True).output, want)
    np.testing.assert_array_equal(c.host().run(x, quantized=True).output, want)


def test_softmax_on_the_host() -> None:
    """One class, two so far apart that one does not count in the sum (its reciprocal is 1 and saturates), and many."""
    for classes, scale in ((1, 0.1), (2, 0.1), (12, 0.3), (100, 0.001)):
        kinds = {"x": Int8(scale, 5), "y": softmax.OUTPUT}
        tensors = {name: Tensor(name, (classes,), kind) for name, kind in kinds.items()}
        node = Node("softmax", softmax.QSoftmax(softmax.exp_table(softmax.distance_scale(scale))), ("x",), "y")
        graph = validate(Graph("t", tensors, (node,), ("x",), ("y",)), Int8)
        c = compiled(Network(graph, input_specs(graph, ["int8"])), TARGETS["host"])
        x = extreme_inputs(np.random.default_rng(classes), (classes,), 60)
        assert_equal(c.reference().run(x, quantized=True), c.host().run(x, quantized=True))


def logarithms(classes: int, scale: float, y: Int8 = log_softmax.TFLITE_OUTPUT) -> Network:
    kinds = {"x": Int8(scale, 5), "y": y}
    tensors = {name: Tensor(name, (classes,), kind) for name, kind in kinds.items()}
    node = Node("log_softmax", log_softmax.QLogSoftmax.of(kinds["x"], kinds["y"]), ("x",), "y")
    graph = validate(Graph("t", tensors, (node,), ("x",), ("y",)), Int8)
    return Network(graph, input_specs(graph, ["int8"]))


def test_log_softmax_on_the_host() -> None:
    """Values near, far beyond what the output can hold, and beyond the radius; as many classes as there may be."""
    for classes, scale in (
        (1, 0.1),
        (2, 0.1),
        (12, 0.3),
        (12, 6.0),
        (12, 20.0),
        (100, 0.001),
        (softmax.MAX_CLASSES, 0.02),
    ):
        c = compiled(logarithms(classes, scale), TARGETS["host"])
        x = extreme_inputs(np.random.default_rng(classes), (classes,), 60)
        assert_equal(c.reference().run(x, quantized=True), c.host().run(x, quantized=True))


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
def test_log_softmax_of_far_values(target: str) -> None:
    """With an output of its own: distances up to 31 below the maximum, whose sums come near to int32's end."""
    for scale in (0.0693, 0.126, 0.249, 0.26, 1.0, 17.0, 30.0):
        c = compiled(logarithms(12, scale, Int8(0.09, 127)), TARGETS[target])
        check_everywhere(c, extreme_inputs(np.random.default_rng(12), (12,), 40))


def test_linear_on_a_core_without_long_multiplication() -> None:
    rng = np.random.default_rng(0)
    checked = [check(linear.OP, linear.OP.kernels[0], "cortex-m0plus", rng) for _ in range(3)]
    assert any(checked)


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_instruction_count_does_not_depend_on_the_data(target: str, compiler: str) -> None:
    """TensorFlow Lite's rounding, add, softmax and its logarithm, which shift by the data's leading zeros."""
    if compiler == "gcc":
        need_tool("arm-none-eabi-gcc")
    graph = to_graph(branchy_network(), "t").graph
    for network in (Network(graph, input_specs(graph, ["int8"])), logarithms(12, 0.3)):
        executor = compiled(network, TARGETS[target]).arm(compiler)
        x = extreme_inputs(np.random.default_rng(0), network.graph.input.shape, 8)
        assert len({executor.measure(sample[None]).layer_instructions for sample in x}) == 1  # type: ignore[union-attr]
