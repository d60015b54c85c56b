"""Calibration methods, equalization, bias correction, few-level weights, noise per layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cpcc.cli import cli
from cpcc.errors import UsageError
from cpcc.graph import Float32, Graph, Int8, Node, Tensor, validate
from cpcc.ops import conv2d, depthwise_conv2d, linear, relu
from cpcc.ops.float_params import Concat, Conv2d, DepthwiseConv2d, Linear, Relu
from cpcc.quant.bias_correction import corrected
from cpcc.quant.calibration import METHODS, calibrate
from cpcc.quant.equalization import channel_maxima, equalized
from cpcc.quant.few_levels import level_step
from cpcc.quant.noise import layer_noise, worst
from cpcc.quantize import QuantizerSettings, quantize_graph, quantized, run_nodes, tensor_types
from support import chain


def one_layer(size: int = 8) -> Graph:
    return chain((size,), [(linear.OP, Linear(np.eye(size, dtype=np.float32), np.zeros(size, np.float32)))])


@pytest.mark.parametrize("method", METHODS)
def test_a_method_covers_what_is_uniform(method: str) -> None:
    """Nothing is rare, so nothing worth mentioning may be cut off."""
    x = np.random.default_rng(0).uniform(-1, 3, (400, 8))
    low, high = calibrate(one_layer(), x, method)["x"]
    assert -1.001 <= low <= -0.97 and 2.95 <= high <= 3.001


@pytest.mark.parametrize("method", ["percentile", "mse", "kl"])
def test_an_outlier_is_cut_off_but_never_of_an_output(method: str) -> None:
    """One value in 40,000 lies far off: with it, the others would share a tenth of the levels."""
    x = np.random.default_rng(0).normal(0, 1, (5000, 8))
    x[7, 3] = 40.0
    ranges = calibrate(one_layer(), x, method)
    assert ranges["x"][1] < {"percentile": 5, "mse": 38, "kl": 12}[method]
    assert ranges["t0"][1] == 40.0
    assert calibrate(one_layer(), x)["x"][1] == 40.0


def test_mse_is_the_least_of_all_fractions() -> None:
    """Against the error of really quantizing the samples, for ranges around the one chosen."""
    x = np.random.default_rng(1).laplace(0, 1, (3000, 8))

    def error(low: float, high: float) -> float:
        kind = tensor_types(one_layer(), {"x": (low, high), "t0": (0.0, 1.0)})["x"]
        return float(((kind.dequantize(kind.quantize(x)) - x) ** 2).mean())

    low, high = calibrate(one_layer(), x, "mse")["x"]
    best = error(low, high)
    assert all(best <= 1.02 * error(f * low, f * high) for f in (0.8, 0.9, 1.1, 1.3))
    assert best < error(x.min(), x.max())


def depthwise_net(rng: np.random.Generator) -> Graph:
    """Channels whose ranges differ a thousandfold, as batch norm folded into depthwise layers leaves them."""
    spread = np.float32(10.0) ** rng.uniform(-2, 1, 8).astype(np.float32)
    first = rng.normal(0, 1, (8, 1, 1, 3)).astype(np.float32) * spread[:, None, None, None]
    middle = rng.normal(0, 1, (3, 3, 8)).astype(np.float32) / spread
    last = rng.normal(0, 1, (4, 1, 1, 8)).astype(np.float32)
    none = (0, 0, 0, 0)
    return chain((6, 6, 3), [
        (conv2d.OP, Conv2d(first, rng.normal(0, 1, 8).astype(np.float32) * spread, (1, 1), none)),
        (relu.OP, Relu()),
        (depthwise_conv2d.OP, DepthwiseConv2d(middle, rng.normal(0, 1, 8).astype(np.float32), (1, 1), none, True)),
        (conv2d.OP, Conv2d(last, np.zeros(4, np.float32), (1, 1), none)),
    ])  # fmt: skip


def output_error(graph: Graph, x: np.ndarray, settings: QuantizerSettings) -> np.ndarray:
    """(n, k) of the int8 graph against the float one."""
    prepared = equalized(graph, x)[0] if settings.equalize else graph
    int8 = quantized(prepared, calibrate(prepared, x), x, settings)
    kind, out = int8.input.type, int8.output.type
    assert isinstance(kind, Int8) and isinstance(out, Int8)
    got = run_nodes(int8, Int8, kind.quantize(x))[graph.output.name]
    return out.dequantize(got) - run_nodes(graph, Float32, x)[graph.output.name]


def test_equalization_keeps_the_function_and_saves_small_channels() -> None:
    rng = np.random.default_rng(2)
    graph, x = depthwise_net(rng), rng.normal(0, 1, (32, 6, 6, 3))
    even, balance = equalized(graph, x)
    before, after = (run_nodes(g, Float32, x) for g in (graph, even))
    assert balance and graph.output.name not in balance
    for name in before:
        np.testing.assert_allclose(after[name], before[name] / balance.get(name, 1.0), rtol=1e-4, atol=1e-4)
    maxima = channel_maxima(even, x)["t1"]
    assert maxima.max() < 1.001 * maxima.min()
    plain, balanced = (output_error(graph, x, QuantizerSettings(equalize=e)).std() for e in (False, True))
    assert balanced < 0.5 * plain


def test_what_cannot_be_equalized_is_left_alone() -> None:
    """Behind a ReLU6, and into few-level weights."""
    rng = np.random.default_rng(3)
    graph, x = depthwise_net(rng), rng.normal(0, 1, (8, 6, 6, 3))
    clipped = replace(
        graph, nodes=tuple(replace(n, params=Relu(6.0)) if n.name == "relu_1" else n for n in graph.nodes)
    )
    assert equalized(clipped, x)[0].nodes[0].params is clipped.nodes[0].params
    ternary = np.sign(graph.nodes[3].params.weight)
    few = replace(graph.nodes[3], params=replace(graph.nodes[3].params, weight=ternary))
    graph = replace(graph, nodes=(*graph.nodes[:3], few, *graph.nodes[4:]))
    assert np.array_equal(equalized(graph, x)[0].nodes[3].params.weight, ternary)


def test_bias_correction_removes_the_mean_error() -> None:
    """Weights that all round the same way shift every output; inputs without zero mean carry it through."""
    rng = np.random.default_rng(4)
    weight = np.full((3, 64), 0.3 / 127, np.float32)
    weight[:, 0] = 1.0
    graph = chain((64,), [(linear.OP, Linear(weight, np.zeros(3, np.float32)))])
    x = rng.uniform(0, 4, (200, 64))
    plain, fixed = (output_error(graph, x, QuantizerSettings(correct_bias=c)).mean(axis=0) for c in (False, True))
    assert np.abs(plain).min() > 0.2
    assert np.abs(fixed).max() < 0.05


def test_bias_correction_looks_before_the_activation() -> None:
    graph = depthwise_net(np.random.default_rng(5))
    x = np.random.default_rng(6).normal(0, 1, (16, 6, 6, 3))
    types = tensor_types(graph, calibrate(graph, x))
    changed = corrected(graph, types, x)
    assert [node.params.relu for node in changed.nodes if hasattr(node.params, "relu")] == [False, True, False]
    assert any(
        (a.params.bias != b.params.bias).any() for a, b in zip(graph.nodes, changed.nodes) if hasattr(a.params, "bias")
    )


LEVELS = {"ternary": [-1, 0, 1], "3 bit": list(range(-4, 4)), "4 bit": list(range(-8, 8))}


@given(
    kind=st.sampled_from(sorted(LEVELS)), seed=st.integers(0, 2**32 - 1), columns=st.integers(1, 40),
    bias=st.sampled_from([0.0, 1.0, 1e4]), spread=st.floats(0, 6),
)  # fmt: skip
def test_few_levels_are_kept_exactly(kind: str, seed: int, columns: int, bias: float, spread: float) -> None:
    """Every weight is one whole number times its level, through a convolution, a depthwise and a linear layer."""
    rng = np.random.default_rng(seed)
    levels = rng.choice(LEVELS[kind], (5, columns)).astype(np.float64)
    scale = 10 ** rng.uniform(-spread, spread / 2, (5, 1))
    weight, biases = (levels * scale).astype(np.float32), np.full(5, bias, np.float32)
    x, y = Int8(0.02, -3), Int8(0.5, 7)
    for op, params in (
        (linear.OP, Linear(weight, biases)),
        (conv2d.OP, Conv2d(weight[:, None, None, :], biases, (1, 1), (0, 0, 0, 0))),
        (depthwise_conv2d.OP, DepthwiseConv2d(weight.T[:, None, :].copy(), biases, (1, 1), (0, 0, 0, 0))),
    ):
        q = op.quantize(params, (x,), y).weight
        matrix = (q.reshape(-1, 5).T if op is depthwise_conv2d.OP else q.reshape(5, -1)).astype(np.int64)
        for row, level in zip(matrix, levels):
            largest = np.argmax(np.abs(level))
            assert bias or abs(row[largest]) >= abs(level[largest])
            if abs(row[largest]) >= abs(level[largest]):  # else the bias leaves the weights no room
                assert np.array_equal(row * level[largest], row[largest] * level)


def test_what_is_not_few_levels() -> None:
    assert level_step(np.array([1.0, 2.01, 3.0])) is None
    assert level_step(np.arange(1.0, 10.0)) is None
    assert level_step(np.zeros(4)) is None
    assert level_step(np.array([0.5, 0.75, 0.0, -1.0])) == pytest.approx(0.25)


def test_the_worst_layer_is_named() -> None:
    """A layer whose weights span five decades in one row loses most."""
    rng = np.random.default_rng(7)
    bad = rng.normal(0, 1, (16, 16)).astype(np.float32)
    good = bad.copy()
    bad[:, 0] *= 1e4
    graph = chain((16,), [(linear.OP, Linear(w, np.zeros(16, np.float32))) for w in (good, bad, good)])
    x = rng.normal(0, 1, (50, 16)) * np.r_[1e-4, np.ones(15)]
    noise = layer_noise(graph, quantize_graph(graph, calibrate(graph, x)), x)
    assert list(noise) == ["linear_0", "linear_1", "linear_2"]
    assert noise["linear_0"].alone == pytest.approx(noise["linear_0"].so_far, abs=0.2)
    assert noise["linear_0"].alone > 30 and worst(noise) == "linear_1"
    assert noise["linear_2"].so_far < noise["linear_2"].alone


def joined_branches() -> Graph:
    """x -> linear -> concat, beside x itself: one input may change its range, the other is read elsewhere too."""
    tensors = {name: Tensor(name, shape, Float32()) for name, shape in (("x", (4,)), ("a", (4,)), ("y", (8,)))}
    nodes = (
        Node("linear", Linear(5 * np.eye(4, dtype=np.float32), np.zeros(4, np.float32)), ("x",), "a"),
        Node("concat", Concat(0), ("a", "x"), "y"),
    )
    return validate(Graph("t", tensors, nodes, ("x",), ("y",)), Float32)


def test_a_concat_gets_one_type_for_its_inputs() -> None:
    """The linear layer's output takes the common range; the input, which has its own, is converted by a table."""
    graph, x = joined_branches(), np.random.default_rng(0).uniform(-1, 1, (50, 4))
    int8 = quantize_graph(graph, calibrate(graph, x))
    assert [type(node.params).__name__ for node in int8.nodes] == ["QLinear", "QLookup", "Concat"]
    kinds = {name: t.type for name, t in int8.tensors.items()}
    assert kinds["a"] == kinds["y"] != kinds["x"]
    values = run_nodes(int8, Int8, kinds["x"].quantize(x))
    expected = np.concatenate([5 * x, x], axis=1)
    assert np.abs(kinds["y"].dequantize(values["y"]) - expected).max() < 1.5 * kinds["y"].scale + 5 * kinds["x"].scale


@pytest.mark.parametrize("option", [["--calibration", "kl"], ["--equalize"], ["--correct-bias"], ["--int16", "all"]])
def test_a_tflite_model_is_quantized_already(option: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is quantized already"):
        CliRunner().invoke(cli, ["build", str(tmp_path / "m.tflite"), *option], catch_exceptions=False)
