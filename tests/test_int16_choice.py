"""Which layers get int16 activations, and a network whose decisions int8 loses and int16 restores."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from importlib.resources import files as resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from cpcc import artifacts
from cpcc.cli import cli
from cpcc.data import Scaling
from cpcc.errors import DataError, DoesNotFitError, ModelError, UsageError
from cpcc.executors.firmware import boot
from cpcc.fit import STACK_RESERVE
from cpcc.folder import BuildFolder, open_build
from cpcc.graph import Float32, Graph, Int8, Int16, Node, Tensor, validate
from cpcc.metrics import auc
from cpcc.models.exporting import export_module
from cpcc.models.model_file import save_program
from cpcc.narrowing import made_to_fit
from cpcc.ops import avg_pool2d, linear, relu
from cpcc.ops.convert import QConvert
from cpcc.ops.float_params import Add, AvgPool2d, Concat, Linear, LogSoftmax, Relu, Reshape
from cpcc.quant.int16_choice import GAIN, OUTPUT_LIMIT, OWN_LIMIT, int16_layers, output_ratio
from cpcc.quant.running import run_nodes
from cpcc.quant.widths import wide_tensors
from cpcc.quantize import QuantizerSettings, Samples, calibrate, quantize_graph, quantize_network
from support import chain

RUN = partial(CliRunner().invoke, cli, catch_exceptions=False)


class Faint(nn.Module):
    """A detector of a faint tone in a signal with impacts a thousand times as strong, which say nothing about it."""

    def __init__(self) -> None:
        super().__init__()
        up, down = [1.0, 1.0, 1.0, 1.0], [-1.0, -1.0, -1.0, -1.0]
        taps = torch.tensor([[*up, *down] * 2, [*up[:2], *down, *up[2:]] * 2])  # of few levels, so exact in int8
        self.conv = nn.Conv1d(1, 4, 16, stride=4)
        self.head = nn.Linear(4, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.cat([taps, -taps])[:, None])
            self.conv.bias.zero_()
            self.head.weight.fill_(1.0)
            self.head.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean(-1))


def faint(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Signals (n, 1, 64) float32 and labels: half of them hold the tone; a constant offset of up to 30 in all."""
    rng = np.random.default_rng(seed)
    t, y = np.arange(64), (np.arange(n) % 2).astype(np.int64)
    tone = 0.05 * np.sin(np.pi / 4 * t + rng.uniform(0, 2 * np.pi, (n, 1)))
    x = rng.normal(0, 0.01, (n, 64)) + y[:, None] * tone + rng.uniform(-30, 30, (n, 1))
    return x[:, None].astype(np.float32), y


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faint")
    save_program(folder / "m.pt", export_module(Faint().eval(), (1, 64)))
    for name, seed in (("calib", 0), ("test", 1)):
        x, y = faint(300, seed)
        np.savez(folder / f"{name}.npz", x=x, y=y)
    return folder


def build(files: Path, wish: str) -> Result:
    common = ["build", str(files / "m.pt"), "--calibrate", str(files / "calib.npz"), "--threshold", "0.52"]
    return RUN([*common, "-o", str(files / wish), "--int16", wish])


def scores(files: Path, wish: str) -> np.ndarray:
    from cpcc.proof.calibration import fixed_scores

    return fixed_scores(open_build(files / wish).detector, faint(300, 1)[0])


def test_int8_loses_decisions_that_int16_restores(files: Path) -> None:
    """A step of the int8 input is five times the tone. Every executor computes the same again, QEMU included."""
    y = faint(300, 1)[1] == 1
    for wish in ("never", "auto"):
        built = build(files, wish)
        assert built.exit_code == 0, built.output
        print(built.output)
    assert auc(y, scores(files, "never")) < 0.75
    assert auc(y, scores(files, "auto")) > 0.999
    graph = open_build(files / "auto").detector.graph
    assert isinstance(graph.input.type, Int16)
    verified = RUN(["verify", str(files / "auto"), "--data", str(files / "test.npz")])
    assert verified.exit_code == 0 and "bit-exact: reference = host = arm" in verified.output, verified.output


def narrowed(files: Path, *words: str) -> dict[str, Any]:
    """The report of a build by `auto` within the limits of `words`."""
    report = files / "narrow.json"
    built = RUN(["build", str(files / "m.pt"), "--calibrate", str(files / "calib.npz"), "--threshold", "0.52",
                 "-o", str(files / "narrow"), "--json", str(report), *words])  # fmt: skip
    assert built.exit_code == 0, built.output
    found: dict[str, Any] = json.loads(report.read_text())
    jsonschema.validate(found, json.loads((resources("cpcc.schemas") / "build.schema.json").read_text()))
    said = found["int16_left_out"]
    line = [line for line in built.output.splitlines() if line.startswith("int8 for want of memory (--int16 auto): ")]
    assert len(line) == (said is not None)
    if said:
        assert f"{', '.join(said['layers'])}; with int16 {said['why']}; " in line[0]
        assert f"{said['sqnr']:.1f} dB instead of {said['sqnr_int16']:.1f}" in line[0]
    return found


def test_auto_gives_up_what_does_not_fit(files: Path) -> None:
    """Within the RAM that int16 takes nothing is given up; within what int8 takes the build is int8, and says what that costs. What
    not even int8 fits is refused as int8 is; layers that were named are not given up."""
    built = build(files, "never")
    assert built.exit_code == 0, built.output
    wide, narrow = narrowed(files)["arena_bytes"], open_build(files / "never").plan.arena.size
    assert narrowed(files, "--ram", str(wide + STACK_RESERVE))["int16_left_out"] is None
    limit = str(narrow + STACK_RESERVE)
    less = narrowed(files, "--ram", limit)
    said = less["int16_left_out"]
    assert said["layers"] == ["conv"] and less["int16_layers"] == [] and less["arena_bytes"] == narrow
    assert said["why"].startswith("m needs ") and f"--ram allows {int(limit):,} B" in said["why"]
    assert said["sqnr"] < 0 and said["sqnr_int16"] > 40
    with pytest.raises(DoesNotFitError, match="--ram allows 2,050") as refused:
        narrowed(files, "--ram", "2050")
    assert "--int16" not in str(refused.value)
    with pytest.raises(DoesNotFitError, match="Try --int16 never"):
        narrowed(files, "--ram", limit, "--int16", "conv")


def test_where_int8_does_not_fit_no_plan_between_is_tried() -> None:
    """A try of a large network takes long."""
    tried = []

    def front(settings: QuantizerSettings) -> Any:
        return SimpleNamespace(int16=tuple("abcdefgh") if settings.int16 == "auto" else ()), settings.int16

    def fit(made: Any) -> Any:
        tried.append(made[1])
        raise DoesNotFitError("m needs more; largest: a")

    with pytest.raises(DoesNotFitError):
        made_to_fit(front, fit, replace(QuantizerSettings(), int16="auto"))
    assert tried == ["auto", "never"]


class TwoRates(nn.Module):
    """The faint tone looked for at two rates: the finer one takes four times the memory."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse, self.fine = Faint().conv, Faint().conv
        self.fine.stride = (1,)
        self.head = nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = [torch.relu(conv(x)).mean(-1) for conv in (self.coarse, self.fine)]
        return self.head(torch.cat(both, -1))


def test_auto_keeps_the_int16_layers_that_fit(files: Path, tmp_path: Path) -> None:
    """Of two layers the one whose memory suffices, if it gains more."""
    save_program(tmp_path / "m.pt", export_module(TwoRates().eval(), (1, 64)))
    np.savez(tmp_path / "calib.npz", **np.load(files / "calib.npz"))
    everything = narrowed(tmp_path)
    print(everything["int16_layers"], everything["arena_bytes"])
    less = narrowed(tmp_path, "--ram", str(STACK_RESERVE + 400))
    print(less["int16_layers"], less["int16_left_out"])
    assert less["int16_left_out"]["layers"] == ["fine"] and "coarse" in less["int16_layers"]


def network(graph: Graph, x: np.ndarray, wish: str) -> Graph:
    """The integer graph of `graph` for a wish of `--int16`."""
    samples = Samples(x.astype(np.float32), x, (Scaling.identity(x.shape[1:]),))
    return quantize_network(graph, samples, replace(QuantizerSettings(), int16=wish))[0].graph


def three_layers(rng: np.random.Generator, middle: np.ndarray) -> Graph:
    weights = [rng.normal(0, 1, (16, 16)).astype(np.float32) for _ in range(2)]
    layers = [(linear.OP, Linear(w, np.zeros(16, np.float32))) for w in (weights[0], middle, weights[1])]
    return chain((16,), [layers[0], (relu.OP, Relu()), *layers[1:]])


def test_the_layers_that_are_asked_for() -> None:
    """A named layer reads and writes int16: what computes its input, through a ReLU, writes it."""
    rng = np.random.default_rng(0)
    graph, x = three_layers(rng, np.eye(16, dtype=np.float32)), rng.normal(0, 1, (50, 16))
    assert wide_tensors(graph, ["linear_2"]) == {"t0", "t1", "t2"}
    assert int16_layers(network(graph, x, "never")) == int16_layers(network(graph, x, "auto")) == []
    assert int16_layers(network(graph, x, " linear_2")) == ["linear_0", "relu_1", "linear_2"]
    wide = network(graph, x, "all")
    assert int16_layers(wide) == [node.name for node in graph.nodes]
    assert all(isinstance(t.type, Int16) for t in wide.tensors.values())
    for wish, message in (
        ("linear_7", "did you mean linear_"),
        ("x,y", "--int16 x: the network has no such layer; layers:"),
    ):
        with pytest.raises(UsageError, match=message):
            network(graph, x, wish)
    table = chain((16,), [(linear.OP, Linear(np.eye(16, dtype=np.float32), np.zeros(16, np.float32)))])
    node = Node("log", LogSoftmax(), ("t0",), "t1")
    table = replace(
        table,
        nodes=(*table.nodes, node),
        tensors=table.tensors | {"t1": Tensor("t1", (16,), Float32())},
        outputs=("t1",),
    )
    with pytest.raises(UsageError, match="--int16 log: LogSoftmax has no int16 form"):
        network(table, x, "log")
    assert int16_layers(network(table, x, "all")) == ["linear_0"]


def test_auto_takes_the_layers_whose_rounding_costs_too_much() -> None:
    """A tensor with one channel a thousand times the others, of which the next layer reads the others alone."""
    rng = np.random.default_rng(1)
    graph, x = three_layers(rng, np.eye(16, dtype=np.float32)), rng.normal(0, 1, (200, 16))
    first, last = graph.nodes[0].params, graph.nodes[2].params
    big = first.weight * np.r_[3e3, np.ones(15)][:, None].astype(np.float32)
    ignored = last.weight * np.r_[0, np.ones(15)].astype(np.float32)
    nodes = list(graph.nodes)
    nodes[0], nodes[2] = (
        replace(nodes[0], params=replace(first, weight=big)),
        replace(nodes[2], params=replace(last, weight=ignored)),
    )
    graph = replace(graph, nodes=tuple(nodes))
    samples = Samples(x.astype(np.float32), x, (Scaling.identity(x.shape[1:]),))
    (never, _), (auto, _) = (
        quantize_network(graph, samples, replace(QuantizerSettings(), int16=w)) for w in ("never", "auto")
    )
    assert never.noise["linear_2"].alone < OWN_LIMIT and output_ratio(graph, never.noise) < 10
    assert int16_layers(auto.graph) == ["linear_0", "relu_1", "linear_2"]
    assert output_ratio(graph, auto.noise) > 20


def test_auto_takes_a_noisy_layer_behind_a_quiet_output() -> None:
    """A branch that rounding drowns is widened, though another branch is so strong that the output shows little of it."""
    rng = np.random.default_rng(5)
    first, second, strong = (rng.normal(0, 0.25, (16, 16)).astype(np.float32) for _ in range(3))
    first[0] *= 200
    second[:, 0] = 0
    tensors = {name: Tensor(name, (16,), Float32()) for name in ("x", "a", "b", "c", "y")}
    bias = np.zeros(16, np.float32)
    nodes = (
        Node("first", Linear(first, bias), ("x",), "a"),
        Node("second", Linear(second, bias), ("a",), "b"),
        Node("strong", Linear(30 * strong, bias), ("x",), "c"),
        Node("sum", Add(), ("b", "c"), "y"),
    )
    graph = validate(Graph("t", tensors, nodes, ("x",), ("y",)), Float32)
    x = rng.normal(0, 1, (200, 16))
    samples = Samples(x.astype(np.float32), x, (Scaling.identity(x.shape[1:]),))
    never, _ = quantize_network(graph, samples, QuantizerSettings(int16="never"))
    auto, _ = quantize_network(graph, samples, QuantizerSettings(int16="auto"))
    assert never.noise["second"].alone < OWN_LIMIT and output_ratio(graph, never.noise) > OUTPUT_LIMIT
    assert int16_layers(auto.graph) == ["first", "second"]


def test_auto_looks_at_the_output_too() -> None:
    """Two layers in a row whose noise is bearable alone; only what both add up to is not."""
    rng = np.random.default_rng(3)
    weights = [rng.normal(0, 0.25, (16, 16)).astype(np.float32) for _ in range(3)]
    weights[0][0] *= 21  # a channel that the next layer does not read, but that takes most of the levels
    weights[1][0] *= 52
    for weight in weights[1:]:
        weight[:, 0] = 0
    graph = chain((16,), [(linear.OP, Linear(w, np.zeros(16, np.float32))) for w in weights])
    x = rng.normal(0, 1, (200, 16))
    samples = Samples(x.astype(np.float32), x, (Scaling.identity(x.shape[1:]),))
    never, _ = quantize_network(graph, samples, QuantizerSettings(int16="never"))
    auto, _ = quantize_network(graph, samples, QuantizerSettings(int16="auto"))
    assert min(each.alone for each in never.noise.values()) > OWN_LIMIT
    assert output_ratio(graph, never.noise) < OUTPUT_LIMIT < output_ratio(graph, auto.noise)
    assert int16_layers(auto.graph)


def test_auto_stays_with_int8_where_the_int16_form_is_refused() -> None:
    """The mean of 40,000 values is far below a step of their type, but so many int16 cannot be averaged."""
    spans, n = ((0, 200),), 4
    pool = AvgPool2d(spans, spans, ((40_000,),))
    graph = chain(
        (200, 200, 1),
        [(avg_pool2d.OP, pool), (linear.OP, Linear(np.ones((1, 1), np.float32), np.zeros(1, np.float32)))],
    )
    x = np.random.default_rng(4).normal(0, 1, (n, 200, 200, 1))
    raw = x.transpose(0, 3, 1, 2).astype(np.float32)
    samples = Samples(raw, x, (Scaling.identity(raw.shape[1:]),))
    auto, _ = quantize_network(graph, samples, QuantizerSettings(int16="auto"))
    assert auto.noise["linear_1"].alone < OWN_LIMIT and int16_layers(auto.graph) == []
    with pytest.raises(ModelError, match=r"avg_pool2d_0: a window of 40000 int16 elements; supported: up to 32768"):
        quantize_network(graph, samples, QuantizerSettings(int16="linear_1"))


def test_auto_leaves_a_layer_whose_weights_are_the_cause() -> None:
    """Rows that span decades lose their small weights in int8; int16 activations cannot bring them back."""
    rng = np.random.default_rng(2)
    bad = rng.normal(0, 1, (16, 16)).astype(np.float32)
    bad[:, 0] *= 1e4
    graph = chain((16,), [(linear.OP, Linear(bad, np.zeros(16, np.float32)))])
    x = rng.normal(0, 1, (50, 16)) * np.r_[1e-6, np.ones(15)]
    samples = Samples(x.astype(np.float32), x, (Scaling.identity(x.shape[1:]),))
    every, _ = quantize_network(graph, samples, replace(QuantizerSettings(), int16="all"))
    auto, _ = quantize_network(graph, samples, QuantizerSettings(int16="auto"))
    assert auto.noise["linear_0"].alone < OWN_LIMIT
    assert every.noise["linear_0"].alone < auto.noise["linear_0"].alone + GAIN
    assert int16_layers(auto.graph) == []


def test_a_concat_of_int16_tensors_has_one_type() -> None:
    """The input, which another layer reads too, is converted; the bytes are joined by the int8 kernel."""
    tensors = {n: Tensor(n, (s,), Float32()) for n, s in (("x", 4), ("a", 4), ("y", 8), ("z", 4))}
    nodes = (
        Node("fc", Linear(5 * np.eye(4, dtype=np.float32), np.zeros(4, np.float32)), ("x",), "a"),
        Node("cat", Concat(0), ("a", "x"), "y"),
        Node("out", Linear(np.eye(8, dtype=np.float32)[:4], np.zeros(4, np.float32)), ("y",), "z"),
    )
    graph = validate(Graph("t", tensors, nodes, ("x",), ("z",)), Float32)
    x = np.random.default_rng(0).uniform(-1, 1, (50, 4))
    integer = quantize_graph(graph, calibrate(graph, x), wide_tensors(graph, ["cat"]))
    assert [type(node.params).__name__ for node in integer.nodes] == [
        "QWideLinear",
        "QConvert",
        "Concat",
        "QConvert",
        "QLinear",
    ]
    kinds = {name: t.type for name, t in integer.tensors.items()}
    assert isinstance(kinds["x"], Int16) and kinds["a"] == kinds["y"] != kinds["x"]
    values = run_nodes(integer, Int8, kinds["x"].quantize(x))
    joined = kinds["y"].dequantize(values["y"])
    assert np.abs(joined - np.concatenate([5 * x, x], axis=1)).max() < 0.02


def test_one_conversion_serves_all_readers() -> None:
    tensors = {n: Tensor(n, (4,), Float32()) for n in ("x", "a", "b", "c", "d")}
    eye = Linear(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))
    nodes = tuple(Node(f"n{o}", eye, (i,), o) for i, o in (("x", "a"), ("a", "b"), ("a", "c")))
    nodes = (*nodes, Node("r", Reshape((4,)), ("a",), "d"))
    graph = validate(Graph("t", tensors, nodes, ("x",), ("b", "c", "d")), Float32)
    x = np.random.default_rng(0).uniform(-1, 1, (50, 4))
    integer = quantize_graph(graph, calibrate(graph, x), frozenset({"x", "a"}))
    assert [n.name for n in integer.nodes if isinstance(n.params, QConvert)] == ["a.int8"]
    assert [n.inputs for n in integer.nodes] == [("x",), ("a",), ("a.int8",), ("a.int8",), ("a.int8",)]


def test_bad_wishes_on_the_command_line(files: Path) -> None:
    with pytest.raises(UsageError, match=r"--int16 conf: the network has no such layer; did you mean conv\?"):
        build(files, "conf")
    assert not (files / "conf").exists()


def booted(opened: BuildFolder) -> tuple[int, str]:
    """(exit status, text) of the example firmware, which prints where a debugger listens."""
    main = "#define CPCC_SEMIHOSTING\n" + artifacts.pristine_main(opened)
    return boot(artifacts.arm_image(opened.plan, artifacts.library_on_disk(opened), main), opened.plan.target)


def test_self_test_and_table_of_an_int16_detector(files: Path) -> None:
    """Scores beyond int16, the operating points, and the firmware that checks itself and its examples at boot."""
    common = [
        "build",
        str(files / "m.pt"),
        "--calibrate",
        str(files / "calib.npz"),
        "--int16",
        "all",
        "-o",
        str(files / "all"),
    ]
    built = RUN([*common, "--self-test", "--threshold-table"])
    assert built.exit_code == 0, built.output
    opened = open_build(files / "all")
    assert isinstance(opened.detector.graph.output.type, Int16)
    status, text = booted(opened)
    assert status == 0 and "self-test ok" in text and text.count(", ok\n") == 2, text
    explained = RUN(["verify", str(files / "all"), "--data", str(files / "test.npz"), "--explain", "1"])
    assert explained.exit_code == 0 and "fixed score" in explained.output, explained.output
    profiled = RUN(["profile", str(files / "all")])
    assert profiled.exit_code == 0 and "constant time" in profiled.output, profiled.output


def test_an_int16_regression(files: Path) -> None:
    """The output tensor is int16: in the example firmware, in `run`, and raw."""
    out = files / "regression"
    common = ["build", str(files / "m.pt"), "--calibrate", str(files / "calib.npz"), "--int16", "all", "-o", str(out)]
    built = RUN([*common, "--regression"])
    assert built.exit_code == 0, built.output
    opened = open_build(out)
    status, text = booted(opened)
    assert status == 0 and text.count(", ok\n") == 2, text
    x = faint(8, 2)[0]
    q = opened.detector.graph.input.integer.quantize(x)
    for name, samples, raw in (("real", x, []), ("raw", q, ["--raw"])):
        np.save(files / f"{name}.npy", samples)
        done = RUN(
            [
                "run",
                str(out),
                "--input",
                str(files / f"{name}.npy"),
                "-o",
                str(files / f"{name}.out.npy"),
                *raw,
                "--on",
                "arm",
            ]
        )
        assert done.exit_code == 0, done.output
    real, integers = (np.load(files / f"{name}.out.npy") for name in ("real", "raw"))
    assert integers.dtype == np.int16 and real.dtype == np.float32
    np.testing.assert_allclose(opened.detector.graph.output.integer.dequantize(integers), real, rtol=1e-3, atol=1e-3)
    with pytest.raises(DataError, match="--raw expects int16"):
        RUN(["run", str(out), "--input", str(files / "real.npy"), "-o", str(files / "no.npy"), "--raw"])
