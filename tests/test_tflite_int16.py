"""Models with 16-bit activations and 8-bit weights: every operator that has them against TensorFlow Lite Micro, tolerance zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.cli import cli
from cpcc.detector import Network
from cpcc.errors import ModelError, UsageError
from cpcc.fixedpoint import wide_requant, wide_scaled
from cpcc.frontends.tflite import HANDLERS, to_graph
from cpcc.graph import Int8, Int16
from cpcc.models.quantized_model import input_specs
from cpcc.quant.running import run_outputs
from cpcc.quantize import run_int8
from cpcc.records import joined
from cpcc.targets import TARGETS
from golden import Oracle
from support import assert_equal, compiled, extreme_inputs
from test_tflite_ops import ACTIVATIONS, SAME, VALID, image, window
from tflite_files import FileOperator, FileTensor, constant, tflite_file

seeds = st.integers(0, 2**32 - 1)


def tensor(shape: tuple[int, ...], scale: float) -> FileTensor:
    return FileTensor((1, *shape), (float(np.float32(scale)),), (0,), "INT16")


def scale(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.5, 1) * 2.0 ** rng.integers(-14, -6))


def check(data: bytes, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """The graph's output equals the oracle's on random and extreme inputs."""
    graph, oracle = to_graph(data, "t").graph, Oracle(data)
    assert isinstance(graph.input.type, Int16) and isinstance(graph.output.type, Int16)
    x = extreme_inputs(rng, shape, 6, Int16)
    got = run_int8(graph, x)
    for i, sample in enumerate(x):
        np.testing.assert_array_equal(got[i].ravel(), oracle.run(sample[None]).ravel())


def weights(rng: np.random.Generator, shape: tuple[int, ...], axis: int, channels: int) -> FileTensor:
    """Channels without weights among them, whose scales are next to nothing."""
    empty = (rng.integers(8, size=channels) == 0) & (np.arange(channels) > 0)
    scales = np.where(empty, 1e-9, rng.uniform(0.002, 0.02, channels) * rng.choice([1.0, 1.0, 0.3], channels))
    data = np.moveaxis(rng.integers(-127, 128, shape).astype(np.int8), axis, -1) * ~empty
    data = np.ascontiguousarray(np.moveaxis(data, -1, axis)).astype(np.int8)
    return constant(data, tuple(float(np.float32(s)) for s in scales), axis)


def affine(rng: np.random.Generator, code: str, x: FileTensor, w: FileTensor, out: tuple[int, ...], kind: str,
           options: dict[str, int]) -> bytes:  # fmt: skip
    """Outputs that fill their range, overflow it, or use little of it; scales of 1/2 and more among them."""
    assert w.data is not None
    taps = w.data.size // len(w.scale)
    spread = float(rng.choice([0.01, 0.3, 1.0, 4.0]))
    y = tensor(out, x.scale[0] * max(w.scale) * 70 * 20_000 * taps**0.5 * spread / 32768)
    b = FileTensor((len(w.scale),), tuple(x.scale[0] * s for s in w.scale), (0,) * len(w.scale), "INT64",
                   rng.integers(-(2**20), 2**20, len(w.scale)).astype(np.int64))  # fmt: skip
    return tflite_file([x, w, b, y], [FileOperator(code, (0, 1, 2), (3,), kind, options)], (0,), (3,))


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_conv_2d(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, kernel, shape, size = window(rng)
    channels = int(rng.integers(1, 6))
    w = weights(rng, (channels, *kernel, shape[2]), 0, channels)
    x = tensor(shape, scale(rng))
    check(affine(rng, "CONV_2D", x, w, (*size, channels), "Conv2DOptions", options), shape, rng)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_depthwise_conv_2d(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, kernel, shape, size = window(rng)
    channels = shape[2] * int(rng.choice([1, 1, 2]))
    w = weights(rng, (1, *kernel, channels), 3, channels)
    options |= {"DepthMultiplier": channels // shape[2]}
    x = tensor(shape, scale(rng))
    check(affine(rng, "DEPTHWISE_CONV_2D", x, w, (*size, channels), "DepthwiseConv2DOptions", options), shape, rng)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_fully_connected(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, outputs = int(rng.integers(1, 40)), int(rng.integers(1, 9))
    data = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    w = constant(data, (float(np.float32(rng.uniform(0.001, 0.02))),))
    x, y = tensor((inputs,), scale(rng)), tensor((outputs,), 0)
    y = tensor(
        (outputs,), x.scale[0] * w.scale[0] * 70 * 20_000 * inputs**0.5 * float(rng.choice([0.01, 0.3, 4.0])) / 32768
    )
    b = FileTensor(
        (outputs,), (x.scale[0] * w.scale[0],), (0,), "INT64", rng.integers(-(2**20), 2**20, outputs).astype(np.int64)
    )
    options = {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    op = FileOperator("FULLY_CONNECTED", (0, 1, 2), (3,), "FullyConnectedOptions", options)
    check(tflite_file([x, w, b, y], [op], (0,), (3,)), (inputs,), rng)


@pytest.mark.parametrize("code", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_pools(code: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    options, kernel, shape, size = window(rng)
    pool = {key: options[key] for key in ("Padding", "StrideH", "StrideW")}
    size = tuple(
        -(-n // s) if pool["Padding"] == SAME else (n - k) // s + 1
        for n, k, s in zip(shape[:2], kernel, (pool["StrideH"], pool["StrideW"]))
    )
    pool |= {
        "FilterHeight": kernel[0],
        "FilterWidth": kernel[1],
        "FusedActivationFunction": int(rng.choice(ACTIVATIONS[:2])),
    }
    s = scale(rng)
    op = FileOperator(code, (0,), (1,), "Pool2DOptions", pool)
    check(tflite_file([tensor(shape, s), tensor((*size, shape[2]), s)], [op], (0,), (1,)), shape, rng)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_moves(seed: int) -> None:
    """Pad, transpose, join, cut, reshape."""
    rng = np.random.default_rng(seed)
    h, w, c = shape = image(rng)
    s = scale(rng)
    amounts = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)
    padded = (h + 3, w + 1, c)
    ints = [constant(a) for a in (amounts, np.array([0, 2, 1, 3], np.int32), np.array([0, 0, 0, 0], np.int32),
                                  np.array([1, w + 1, h + 2, 2 * c], np.int32), np.ones(4, np.int32))]  # fmt: skip
    tensors = [tensor(shape, s), *ints, tensor(padded, s), tensor((w + 1, h + 3, c), s), tensor((w + 1, h + 3, 2 * c), s),
               tensor((w + 1, h + 2, 2 * c), s), tensor(((w + 1) * (h + 2) * 2 * c,), s)]  # fmt: skip
    operators = [
        FileOperator("PAD", (0, 1), (6,), "PadOptions"),
        FileOperator("TRANSPOSE", (6, 2), (7,), "TransposeOptions"),
        FileOperator("CONCATENATION", (7, 7), (8,), "ConcatenationOptions", {"Axis": 3}),
        FileOperator("STRIDED_SLICE", (8, 3, 4, 5), (9,), "StridedSliceOptions", {}),
        FileOperator("RESHAPE", (9,), (10,), "ReshapeOptions"),
    ]
    check(tflite_file(tensors, operators, (0,), (10,)), shape, rng)


def network(rng: np.random.Generator) -> bytes:
    """Convolution, depthwise convolution, pool, fully connected layer."""
    w = [weights(rng, (8, 3, 3, 2), 0, 8), weights(rng, (1, 3, 3, 8), 3, 8)]
    head = constant(rng.integers(-127, 128, (3, 8)).astype(np.int8), (0.01,))
    scales = [0.001, 0.01, 0.05, 0.2]
    ports = zip((scales[0], scales[1], scales[2]), (*w, head))
    biases = [FileTensor((len(t.data) if t is head else 8,), tuple(s * v for v in t.scale), (0,) * len(t.scale), "INT64",
                         rng.integers(-5000, 5000, len(t.data) if t is head else 8).astype(np.int64)) for s, t in ports]  # fmt: skip
    tensors = [tensor((8, 8, 2), scales[0]), w[0], biases[0], tensor((8, 8, 8), scales[1]), w[1], biases[1],
               tensor((8, 8, 8), scales[2]), tensor((1, 1, 8), scales[2]), head, biases[2], tensor((3,), scales[3])]  # fmt: skip
    one = {
        "Padding": SAME,
        "StrideH": 1,
        "StrideW": 1,
        "DilationHFactor": 1,
        "DilationWFactor": 1,
        "FusedActivationFunction": 1,
    }
    pool = {"Padding": VALID, "StrideH": 8, "StrideW": 8, "FilterHeight": 8, "FilterWidth": 8}
    operators = [
        FileOperator("CONV_2D", (0, 1, 2), (3,), "Conv2DOptions", one),
        FileOperator("DEPTHWISE_CONV_2D", (3, 4, 5), (6,), "DepthwiseConv2DOptions", one | {"DepthMultiplier": 1}),
        FileOperator("AVERAGE_POOL_2D", (6,), (7,), "Pool2DOptions", pool),
        FileOperator("FULLY_CONNECTED", (7, 8, 9), (10,), "FullyConnectedOptions", {}),
    ]
    return tflite_file(tensors, operators, (0,), (10,))


def test_a_network_on_every_executor(tmp_path: Path) -> None:
    """Built from the file; host C and ARM equal TensorFlow Lite Micro's output, and the reference at every node."""
    rng = np.random.default_rng(0)
    data = network(rng)
    graph, oracle = to_graph(data, "t").graph, Oracle(data)
    c = compiled(Network(graph, input_specs(graph, ["int16"])))
    x = extreme_inputs(rng, graph.input.shape, 8, Int16)
    trace = c.reference().run(x, quantized=True, nodes=True)
    np.testing.assert_array_equal(trace.output, np.concatenate([oracle.run(sample[None]) for sample in x]))
    assert len(np.unique(trace.output)) > 10
    assert_equal(trace, c.host().run(x, quantized=True, nodes=True))
    assert_equal(trace, c.arm().run(x, quantized=True, nodes=True))
    (tmp_path / "m.tflite").write_bytes(data)
    np.savez(tmp_path / "x.npz", x=x)
    run = CliRunner().invoke
    built = run(cli, ["build", str(tmp_path / "m.tflite"), "-o", str(tmp_path / "b")])
    assert built.exit_code == 0 and "int16 activations: conv_2d_0" in built.output, built.output
    verified = run(cli, ["verify", str(tmp_path / "b"), "--data", str(tmp_path / "x.npz")])
    assert verified.exit_code == 0 and "bit-exact: reference = host = arm" in verified.output, verified.output
    wrong = run(cli, ["build", str(tmp_path / "m.tflite"), "-o", str(tmp_path / "c"), "--input", "int8"])
    assert isinstance(wrong.exception, UsageError) or "--input int8: the input input is int16" in wrong.output


@settings(max_examples=200, deadline=None)
@given(seed=seeds)
def test_the_rounding_is_one_of_ours(seed: int) -> None:
    """`Requant` against TensorFlow Lite's formula for int64 sums; of a channel without weights for its bias alone."""
    rng = np.random.default_rng(seed)
    top = rng.uniform(-16, 1)
    scales = 2.0 ** rng.uniform(max(top - 15, -16), top, 6)
    still = rng.integers(4, size=6) == 0
    scales[still] = 2.0 ** rng.uniform(-31, 0, still.sum())
    bias = rng.integers(-(2**13), 2**13, 6)
    acc = np.where(still, bias, rng.integers(-(2**37), 2**37, (50, 6)))
    expected = wide_scaled(acc, scales)
    found, moved = wide_requant(scales, bias, still)
    total = acc - bias + moved
    exact = [
        (int(a) * 2**found.left_shift * int(m) + 2**31) >> 32 for row in total for a, m in zip(row, found.multiplier)
    ]
    assert exact == expected.ravel().tolist()


def test_scales_too_far_apart() -> None:
    with pytest.raises(OverflowError, match=r"a scale of 7.63e-06; supported: 2\*\*-16 and more in this layer"):
        wide_requant(np.array([1.5, 2.0**-17]), np.zeros(2, np.int64), np.zeros(2, bool))


def elementwise_file(rng: np.random.Generator, code: str) -> tuple[bytes, tuple[int, ...]]:
    """Operands of one shape, or the second of one pixel, with scales up to 64 times one another's, and a fused activation."""
    shape = image(rng)
    second = shape if rng.random() < 0.6 else (1, 1, shape[2])
    a, b = scale(rng), scale(rng)
    spread = float(rng.choice([0.02, 0.5, 1.0, 4.0]))
    largest = a * b * 32768 if code == "MUL" else 2 * max(a, b)
    tensors = [tensor(shape, a), tensor(second, b), tensor(shape, largest * spread)]
    options = {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    return tflite_file(
        tensors, [FileOperator(code, (0, 1), (2,), f"{code.title()}Options", options)], (0, 1), (2,)
    ), shape


@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_elementwise(code: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data, _ = elementwise_file(rng, code)
    graph, oracle = to_graph(data, "t").graph, Oracle(data)
    x = {name: extreme_inputs(rng, graph.tensors[name].shape, 6, Int16) for name in graph.inputs}
    got = run_outputs(graph, Int8, joined(x))[graph.output.name]
    for i in range(6):
        (expected,) = oracle.run_all([part[i : i + 1] for part in x.values()], 1)
        np.testing.assert_array_equal(got[i].ravel(), expected.ravel())


@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
def test_elementwise_on_every_executor(code: str) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        graph = to_graph(elementwise_file(rng, code)[0], "t").graph
        network = Network(graph, input_specs(graph, ["int16", "int16"]))
        for target in ("stm32", "cortex-m0plus"):
            c = compiled(network, TARGETS[target])
            x = joined({name: extreme_inputs(rng, graph.tensors[name].shape, 6, Int16) for name in graph.inputs})
            expected = c.reference().run(x, quantized=True, nodes=True)
            assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
            assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))


def one_value_file(code: str, shape: tuple[int, ...], scale: float, beta: float = 1.0) -> bytes:
    """SOFTMAX, LOGISTIC or TANH, whose output has the scale 2^-15."""
    kind, options = ("SoftmaxOptions", {"Beta": beta}) if code == "SOFTMAX" else ("", {})
    tensors = [tensor(shape, scale), tensor(shape, 2.0**-15)]
    return tflite_file(tensors, [FileOperator(code, (0,), (1,), kind, options)], (0,), (1,))


EVERY = np.arange(-(2**15), 2**15).astype(np.int16)


@pytest.mark.parametrize("code", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("scale", [2.0**-12, 2.0**-11, 2.0**-13, 1e-6, 3e-4, 0.001, 0.7, 1.4, 2.6])
def test_sigmoid_and_tanh_of_every_value(code: str, scale: float) -> None:
    """Powers of two have a path of their own there."""
    data = one_value_file(code, (64,), scale)
    graph, oracle = to_graph(data, "t").graph, Oracle(data)
    x = EVERY.reshape(-1, 64)
    expected = np.concatenate([oracle.run(sample[None]) for sample in x])
    np.testing.assert_array_equal(run_int8(graph, x), expected)


@pytest.mark.parametrize(
    ("scale", "beta"), [(10 / 65535, 1.0), (2.0**-11, 1.0), (0.0003, 2.0), (1e-5, 1.0), (2.0, 1.0)]
)
def test_softmax_of_every_distance(scale: float, beta: float) -> None:
    """Two classes any distance apart: each entry of both tables, and each place between two entries."""
    data = one_value_file("SOFTMAX", (2,), scale, beta)
    graph, oracle = to_graph(data, "t").graph, Oracle(data)
    distance = np.arange(2**16)
    x = np.stack([32767 - distance // 2, 32767 - distance // 2 - (distance + 1) // 2], axis=1)
    x = np.maximum(x, -32768).astype(np.int16)
    expected = np.concatenate([oracle.run(sample[None]) for sample in x])
    np.testing.assert_array_equal(run_int8(graph, x), expected)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_softmax(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (
        (int(rng.choice([1, 2, 3, 12, 100, 1000])),)
        if rng.integers(2)
        else (int(rng.integers(1, 4)), int(rng.integers(1, 9)))
    )
    check(one_value_file("SOFTMAX", shape, scale(rng), float(rng.choice([1.0, 0.5, 3.0]))), shape, rng)


@pytest.mark.parametrize("code", ["SOFTMAX", "LOGISTIC", "TANH"])
@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus", "cortex-m3", "cortex-m33"])
def test_functions_on_every_executor(code: str, target: str) -> None:
    for scale in (2.0**-12, 2.0**-9, 1e-5):
        graph = to_graph(one_value_file(code, (2, 512), scale), "t").graph
        c = compiled(Network(graph, input_specs(graph, ["int16"])), TARGETS[target])
        x = np.concatenate([EVERY.reshape(-1, 2, 512), extreme_inputs(np.random.default_rng(0), (2, 512), 6, Int16)])
        expected = c.reference().run(x, quantized=True, nodes=True)
        assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
        assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))


def test_what_has_no_16_bit_form() -> None:
    x = tensor((4,), 0.01)
    supported = ", ".join(sorted(code for code, handler in HANDLERS.items() if handler.int16))
    data = tflite_file([x, x], [FileOperator("HARD_SWISH", (0,), (1,))], (0,), (1,))
    with pytest.raises(
        ModelError, match=rf"operator 0 \(HARD_SWISH\): 16-bit activations are not supported; .* them: {supported};"
    ):
        to_graph(data, "t")
    w, b = constant(np.ones((2, 4), np.int8), (0.01,)), constant(np.zeros(2, np.int32), (1.0,))
    data = tflite_file(
        [x, w, b, tensor((2,), 0.1)],
        [FileOperator("FULLY_CONNECTED", (0, 1, 2), (3,), "FullyConnectedOptions", {})],
        (0,),
        (3,),
    )
    with pytest.raises(ModelError, match="is INT32; supported: INT64"):
        to_graph(data, "t")
    with pytest.raises(ModelError, match="INT16 without one scale and the zero point 0"):
        to_graph(
            tflite_file(
                [FileTensor((1, 4), (0.1,), (3,), "INT16"), x],
                [FileOperator("RESHAPE", (0,), (1,), "ReshapeOptions")],
                (0,),
                (1,),
            ),
            "t",
        )
