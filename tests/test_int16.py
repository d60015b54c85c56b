"""int16 activations: types, memory, input conversion and score, on every executor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import need_tool
from cpcc.detector import Decision, Detector, InputSpec, Network, quantize_input
from cpcc.errors import ModelError
from cpcc.executors.base import bytes_per_sample
from cpcc.fixedpoint import Requant
from cpcc.graph import Float32, Graph, Int8, Int16, Node, Tensor, validate
from cpcc.ops import (
    WIDE,
    add,
    avg_pool2d,
    concat,
    conv2d,
    convert,
    depthwise_conv2d,
    linear,
    lookup,
    max_pool2d,
    mean,
    mul,
    pad,
    relu,
    reshape,
    softmax,
    strided_copy,
    weighted_sum,
)
from cpcc.ops.base import Op
from cpcc.ops.float_params import (
    Add,
    AvgPool2d,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    Linear,
    Lookup,
    MaxPool2d,
    Mean,
    Mul,
    Pad,
    Relu,
    Reshape,
    Softmax,
    StridedCopy,
    WeightedSum,
)
from cpcc.quant.types import symmetric_int16
from cpcc.quantize import quantize_graph
from cpcc.serialize import dump_detector, load_detector
from cpcc.targets import TARGETS
from support import NAME, assert_equal, chain, compiled, detector_of, extreme_inputs


def copies(kind: Int8 | Int16) -> Graph:
    """An integer graph without code: its output is its input's memory."""
    tensors = {"x": Tensor("x", (1, 3, 2), kind), "y": Tensor("y", (6,), kind)}
    return validate(Graph(NAME, tensors, (Node("r", Reshape((6,)), ("x",), "y"),), ("x",), ("y",)), Int8)


def test_the_type() -> None:
    kind = Int16(0.5)
    real = np.array([0.25, 0.75, -0.6, 1e9, -1e9])
    np.testing.assert_array_equal(kind.quantize(real), np.array([0, 2, -1, 32767, -32768], np.int16))
    np.testing.assert_array_equal(kind.dequantize(np.array([3, -3], np.int16)), [1.5, -1.5])
    assert Tensor("x", (2, 3), kind).bytes == 12 and Tensor("x", (2, 3), Int8(0.5, 3)).bytes == 6
    with pytest.raises(ValueError, match="not a positive finite number"):
        Int16(0.0)
    with pytest.raises(AssertionError, match="not quantized"):
        _ = Tensor("x", (2,), Float32()).bytes


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
def test_int16_input_and_score_are_the_same_everywhere(dtype: str, target: str) -> None:
    """NAME_quantize, NAME_score and the harness with tensors of two bytes per element."""
    rng = np.random.default_rng(0)
    graph = copies(Int16(0.01))
    spec = InputSpec(dtype, (2, 1, 3), rng.normal(0, 1, 2).astype(np.float32), np.array([300, 0.02], np.float32))
    detector = Detector(graph, (spec,), (Decision(2, 1, 0, 0.0, 1.0, 1),))
    raw = rng.normal(0, 120, (40, 2, 1, 3))
    raw = raw.astype(np.float32) if dtype == "float32" else (300 * raw).astype(np.int16)
    c = compiled(detector, TARGETS[target])
    assert c.plan.arena.size == 16 and bytes_per_sample(c.plan) == 12
    expected = c.reference().run(raw, nodes=True)
    assert expected.output.dtype == np.int16 and expected.output.min() == -32768 and expected.output.max() == 32767
    assert np.abs(expected.scores).max() > 40_000
    assert_equal(expected, c.host().run(raw, nodes=True))
    assert_equal(expected, c.arm().run(raw, nodes=True))


def test_samples_that_are_the_input() -> None:
    graph = copies(Int16(0.01))
    spec = InputSpec("int16", (1, 3, 2), np.zeros(1, np.float32), np.ones(1, np.float32), True)
    assert spec.copies(graph.input.integer) and not spec.copies(Int8(0.01, 0))
    raw = np.random.default_rng(1).integers(-32768, 32768, (9, 1, 3, 2)).astype(np.int16)
    np.testing.assert_array_equal(quantize_input(spec, graph.input.integer, raw), raw)
    c = compiled(Network(graph, (spec,)))
    assert_equal(c.reference().run(raw, nodes=True), c.host().run(raw, nodes=True))


def test_an_int16_network_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "network.npz"
    graph = copies(Int16(0.01))
    path.write_bytes(dump_detector(Network(graph, (InputSpec("int16", (6,), np.zeros(1), np.ones(1), True),))))
    assert load_detector(path).graph.tensors == graph.tensors


def every_op() -> Graph:
    """All ops with an int16 form in one network, and a product between, which is fed int8."""
    rng = np.random.default_rng(3)
    image = (6, 5, 4)
    square = rng.normal(0, 1, (4, 3, 3, 4)).astype(np.float32)
    window = rng.normal(0, 1, (3, 3, 4)).astype(np.float32)
    bias, ones = rng.normal(0, 1, 4).astype(np.float32), (1, 1, 1, 1)
    rows, cols = avg_pool2d.adaptive_spans(5, 3), avg_pool2d.adaptive_spans(6, 3)
    areas = tuple(tuple((b - a) * (d - c) + 1 for c, d in cols) for a, b in rows)
    steps: list[tuple[Op, object, tuple[str, ...]]] = [
        (conv2d.OP, Conv2d(square, bias, (1, 1), ones, True), ("x",)),
        (depthwise_conv2d.OP, DepthwiseConv2d(window, bias, (1, 1), ones), ("t0",)),
        (relu.OP, Relu(), ("t1",)),
        (add.OP, Add(True), ("t0", "t2")),
        (weighted_sum.OP, WeightedSum((1.0, -2.0)), ("t3", "x")),
        (mul.OP, Mul(), ("t4", "t4")),
        (concat.OP, Concat(2), ("t4", "t5")),
        (pad.OP, Pad((1, 0, 0), (0, 1, 0)), ("t6",)),
        (max_pool2d.OP, MaxPool2d((2, 2), (1, 1), (0, 0, 0, 0), (6, 5)), ("t7",)),
        (strided_copy.OP, StridedCopy((5, 6, 4), ((5, 8), (6, 40), (4, 2))), ("t8",)),
        (avg_pool2d.OP, AvgPool2d(rows, cols, areas), ("t9",)),
        (mean.OP, Mean(9), ("t10",)),
        (reshape.OP, Reshape((4,)), ("t11",)),
        (linear.OP, Linear(rng.normal(0, 1, (3, 4)).astype(np.float32), np.zeros(3, np.float32)), ("t12",)),
        (lookup.OP, Lookup("tanh"), ("t13",)),
        (softmax.OP, Softmax(2.0), ("t14",)),
    ]
    tensors, nodes = {"x": Tensor("x", image, Float32())}, []
    for i, (op, params, inputs) in enumerate(steps):
        shape = op.infer_shape(params, *(tensors[name].shape for name in inputs))
        tensors[f"t{i}"] = Tensor(f"t{i}", shape, Float32())
        nodes.append(Node(f"{op.name}_{i}", params, inputs, f"t{i}"))
    assert {op.int16 for op, _, _ in steps if op.int16} | {convert.OP} == set(WIDE)
    return validate(Graph(NAME, tensors, tuple(nodes), ("x",), (f"t{len(steps) - 1}",)), Float32)


@pytest.mark.parametrize("target", [name for name in TARGETS if name.startswith("cortex")])
def test_every_op_on_every_core(target: str) -> None:
    """The M55 runs in QEMU, the others in unicorn."""
    if not TARGETS[target].core.unicorn_model:
        need_tool("qemu-system-arm")
    graph, rng = every_op(), np.random.default_rng(4)
    c = compiled(detector_of(graph, rng, wide=[node.name for node in graph.nodes]), TARGETS[target])
    assert {"convert", "concat", "sum_wide"} <= {step.kernel.name for step in c.plan.steps}
    x = extreme_inputs(rng, graph.input.shape, 8, Int16)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus", "cortex-m3"])
@pytest.mark.parametrize("op", ["linear", "conv2d", "depthwise_conv2d"])
def test_sums_that_need_64_bits(op: str, target: str) -> None:
    """Rows whose sums can leave int32, in the layers with weights."""
    rng = np.random.default_rng(len(op))
    if op == "linear":
        weight, bias = np.sign(rng.normal(0, 1, (5, 700))), np.array([0, 1e-3, 90, -90, 1], np.float32)
        graph = chain((700,), [(linear.OP, Linear(weight.astype(np.float32), bias))])
    elif op == "conv2d":
        weight, bias = np.sign(rng.normal(0, 1, (3, 3, 3, 70))), np.array([90, -90, 0], np.float32)
        graph = chain((5, 4, 70), [(conv2d.OP, Conv2d(weight.astype(np.float32), bias, (1, 1), (1, 0, 1, 1), True))])
    else:
        weight, bias = np.sign(rng.normal(0, 1, (25, 25, 4))), np.array([9, -9, 0, 1], np.float32)
        params = DepthwiseConv2d(weight.astype(np.float32), bias, (1, 1), (0, 1, 1, 0))
        graph = chain((25, 25, 4), [(depthwise_conv2d.OP, params)])
    detector = detector_of(graph, rng, wide=[node.name for node in graph.nodes])
    c = compiled(detector, TARGETS[target])
    assert c.plan.steps[0].packed.entry == "_long"
    x = extreme_inputs(rng, graph.input.shape, 12, Int16)
    if op == "linear":  # every product with one sign: the largest sum there is
        x[3], x[4] = (
            sign * 32767 * np.sign(detector.graph.nodes[0].params.weight[0].astype(np.int32)) for sign in (1, -1)
        )
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))


@given(st.integers(-(2**45), 2**45), st.floats(1e-9, 40))
def test_long_scaling_is_one_rounding(acc: int, scale: float) -> None:
    """`Requant.scale` of a sum beyond int32 is the product rounded once, in exact integers."""
    requant = Requant.from_scales(np.array([scale]))
    multiplier = int(requant.multiplier[0])
    if (abs(acc) << requant.left_shift) * multiplier < 2**62:
        exact = ((acc << requant.left_shift) * multiplier + 2**31) // 2**32
        assert int(requant.scale(np.array([acc]))[0]) == exact


def test_a_scaled_sum_beyond_int64_is_refused() -> None:
    """A range that calibration data never covered."""
    graph = chain((600,), [(linear.OP, Linear(np.ones((1, 600), np.float32), np.zeros(1, np.float32)))])
    with pytest.raises(
        ModelError, match=r"linear_0: the scaled accumulator of output 0 can reach [0-9]+, the limit is"
    ):
        quantize_graph(graph, {"x": (-1.0, 1.0), "t0": (-1e-5, 1e-5)}, frozenset({"x", "t0"}))


@settings(max_examples=60)
@given(op=st.sampled_from(WIDE), seed=st.integers(0, 2**32 - 1))
def test_int16_follows_float(op: Op, seed: int) -> None:
    """As test_int8_follows_float: half a step of rounding, half a weight step per input, and what half a unit of the
    multiplier makes of a sum of 2^31, a quarter of a step."""
    rng = np.random.default_rng(seed)
    params, shapes = op.sample(rng)
    x = [rng.normal(0, 1, (20, *shape)) for shape in shapes]
    types = tuple(symmetric_int16(float(v.min()), float(v.max())) for v in x)
    types = types[:1] * len(types) if isinstance(params, Concat) else types
    q = [kind.quantize(v) for kind, v in zip(types, x)]
    real = [kind.dequantize(v) for kind, v in zip(types, q)]
    expected = op.run_float(params, *real)
    out = op.output_type(params, types) or symmetric_int16(float(expected.min()), float(expected.max()))
    got = op.run_int8(op.quantize(params, types, out), *q)
    assert got.dtype == np.int16
    limits = out.dequantize(np.array([out.low, out.high]))
    largest = max(np.abs(v).max() for v in real)
    error = np.abs(out.dequantize(got) - np.clip(expected, *limits))
    if isinstance(params, Lookup):
        assert np.all(error <= 2.5 * out.scale + between_entries(params, types[0], limits))
    elif isinstance(params, Softmax):
        assert np.all(error <= 2 * out.scale + softmax_error(params, real[0], expected))
    else:
        assert np.all(error <= 0.8 * out.scale + weight_error(params, largest))


def between_entries(params: Lookup, kind: Int16, limits: np.ndarray) -> float:
    """What straight lines between 513 entries, which saturate at the `limits` of the output, are off by at most; half as much again for the
    entries' own shift. Entries are rounded twice, results once."""
    x, ends = np.arange(-(2**15), 2**15), np.arange(-(2**15), 2**15 + 1, 128)
    f = [np.clip(lookup.run_float(params, kind.scale * each), *limits) for each in (x, ends)]
    return 1.5 * float(np.abs(np.interp(x, ends, f[1]) - f[0]).max())


def softmax_error(params: Softmax, x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Each exponential is off by half a step of the distance, what a straight line over 10/512 is, three half steps of Q0.15, and exp(-10) where
    it is smaller than that; so are their sum and, in proportion, the results."""
    each = 5 / 65535 + 1.25 * (10 / 512) ** 2 / 8 + 1.5 * 2.0**-15 + np.exp(-10.0)
    exponentials = np.exp(params.beta * (x - x.max(axis=-1, keepdims=True)))
    total, off = exponentials.sum(axis=-1, keepdims=True), each * x.shape[-1]
    return (each + p * off) / np.maximum(total - off, 0.5)


def weight_error(params: object, largest: float) -> float:
    """What rounding the weights to int8 can change."""
    weight = getattr(params, "weight", None)
    if weight is None:
        return 0.0
    inputs = weight.size if weight.ndim == 3 else weight[0].size
    return float((inputs + 2) * largest * np.abs(weight).max() / 127 / 2)


def test_the_same_network_in_int8() -> None:
    """An average pool beside a mean: their C functions once had one name."""
    graph, rng = every_op(), np.random.default_rng(5)
    c = compiled(detector_of(graph, rng))
    x = extreme_inputs(rng, graph.input.shape, 8)
    assert_equal(c.reference().run(x, quantized=True, nodes=True), c.host().run(x, quantized=True, nodes=True))
