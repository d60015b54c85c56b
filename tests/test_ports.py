"""Networks with several inputs and outputs, from the file to every executor and the command line."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from cpcc.cli import cli
from cpcc.data import load_dataset
from cpcc.detector import InputSpec, Network, check_raw
from cpcc.errors import DataError, ModelError, UsageError
from cpcc.executors.base import bytes_per_sample
from cpcc.executors.harness import broken_off
from cpcc.folder import open_build
from cpcc.frontends.tflite import to_graph as tflite_graph
from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Float32
from cpcc.models.exporting import export_module
from cpcc.models.model_file import save_program
from cpcc.quant.calibration import calibrate
from cpcc.quant.running import run_outputs
from cpcc.quantize import quantize_graph
from cpcc.records import joined
from golden import Oracle
from support import assert_equal, compiled
from tflite_samples import ported_network


class TwoByTwo(nn.Module):
    """A picture and four features; which of three classes, and how much."""

    def __init__(self) -> None:
        super().__init__()
        self.picture, self.features = nn.Conv2d(2, 3, 3), nn.Linear(4, 6)
        self.kind, self.amount = nn.Linear(18, 3), nn.Linear(18, 2)

    def forward(self, picture: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        both = torch.cat([torch.relu(self.picture(picture)).flatten(1), self.features(y)], 1)
        return {"kind": torch.softmax(self.kind(both), 1), "amount": torch.sigmoid(self.amount(both))}


SHAPES = {"picture": (2, 4, 4), "y_": (4,)}


def drawn(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 1, (n, *shape)).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ports")
    torch.manual_seed(3)
    net = TwoByTwo()
    save_program(folder / "net.pt", export_module(net, *SHAPES.values()))
    x = drawn(40)
    with torch.no_grad():
        kind = net(*(torch.from_numpy(part) for part in x.values()))["kind"].argmax(1).numpy()
    np.savez(folder / "data.npz", **x, y=kind)
    return folder


def cpcc(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def built(work: Path) -> Path:
    result = cpcc(
        "build", work / "net.pt", "--calibrate", work / "data.npz", "--decides", "kind", "--self-test", "-o", work / "b"
    )
    assert result.exit_code == 0, result.output
    return work / "b"


def test_verifies_on_every_executor(built: Path, work: Path) -> None:
    """All three executors and QEMU, every input and output compared; then the page."""
    result = cpcc("verify", built, "--data", work / "data.npz")
    assert result.exit_code == 0 and "bit-exact: reference = host = arm" in result.output, result.output
    assert cpcc("report", built).exit_code == 0
    assert cpcc("profile", built).exit_code == 0


def test_the_interface_in_c(built: Path) -> None:
    header = (built / "lib" / "net" / "net.h").read_text()
    for line in (
        "typedef float net_picture_raw_t;", "void net_quantize_picture(const net_picture_raw_t *raw, int8_t *arena);",
        "void net_quantize_y_(const net_y__raw_t *raw, int8_t *arena);", "#define NET_INPUT_PICTURE_ELEMENTS 32",
        "#define NET_INPUT_Y__SCALE", "#define NET_OUTPUT_KIND_OFFSET", "#define NET_OUTPUT_AMOUNT_SCALE",
        "label 1 of the output kind", "int32_t net_self_test(int8_t *arena);",
    ):  # fmt: skip
        assert line in header, line


def test_run_gives_every_output(built: Path, work: Path) -> None:
    """The deciding output's softmax is dropped, the other's sigmoid is computed; both close to torch's."""
    result = cpcc("run", built, "--input", work / "data.npz", "--on", "host", "-o", work / "out.npz")
    assert result.exit_code == 0 and "kind float32 (40, 3)" in result.output, result.output
    torch.manual_seed(3)
    net = TwoByTwo()
    with torch.no_grad():
        floats = {k: v.numpy() for k, v in net(*(torch.from_numpy(x) for x in drawn(40).values())).items()}
    with np.load(work / "out.npz") as found:
        logits = found["kind"]
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        assert np.abs(shares - floats["kind"]).max() < 0.03
        assert np.abs(found["amount"] - floats["amount"]).max() < 0.03


def test_the_second_output_decides(work: Path) -> None:
    """Its own threshold, scores and misses; a wide one shares nothing with the first."""
    command = ["build", work / "net.pt", "--calibrate", work / "amounts.npz", "--decides", 1, "-o", work / "second"]
    with np.load(work / "data.npz") as old:
        np.savez(work / "amounts.npz", **{**old, "y": np.arange(40) % 2})
    assert cpcc(*command).exit_code == 0
    result = cpcc("verify", work / "second", "--data", work / "amounts.npz", "--allow-fn", 40)
    assert result.exit_code == 0 and "bit-exact: reference = host = arm" in result.output, result.output
    assert "label 1 of the output amount" in (work / "second" / "lib" / "net" / "net.h").read_text()


def test_explain_names_the_inputs(built: Path, work: Path) -> None:
    result = cpcc("verify", built, "--data", work / "data.npz", "--explain", 3)
    assert result.exit_code == 0 and "input picture" in result.output and "input y_" in result.output, result.output


def test_a_decision_needs_a_name(work: Path) -> None:
    build = partial(cpcc, "build", work / "net.pt", "--calibrate", work / "data.npz", "-o", work / "no")
    for more, message in (((), r"kind \(0\), amount \(1\)"), (("--decides", "size"), "--decides size"),
                          (("--decides", "2"), "--decides 2")):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            build(*more)
    with pytest.raises(UsageError, match="--decides out"):
        build("--regression", "--decides", "kind")
    assert not (work / "no").exists()
    assert build("--regression").exit_code == 0


def test_data_that_do_not_fit(built: Path, work: Path) -> None:
    x = drawn(5)
    np.savez(work / "one.npz", x=x["picture"], y=np.arange(5) % 3)
    with pytest.raises(DataError, match="no array named picture"):
        cpcc("verify", built, "--data", work / "one.npz")
    np.savez(work / "short.npz", picture=x["picture"], y_=x["y_"][:4])
    with pytest.raises(DataError, match="y_ has 4 samples, another input 5"):
        cpcc("verify", built, "--data", work / "short.npz")
    network = open_build(built).detector
    with pytest.raises(DataError, match=r"y_ has samples of shape \(3,\)"):
        check_raw(network, joined({"picture": x["picture"], "y_": x["y_"][:, :3]}))
    with pytest.raises(
        DataError, match="the data have one array x; the model takes an array for each input: picture, y_"
    ):
        check_raw(network, x["picture"])
    with pytest.raises(DataError, match="the data have y_, picture"):
        check_raw(network, joined({"y_": x["y_"], "picture": x["picture"]}))


def test_pruning_takes_one_input(work: Path) -> None:
    (work / "net.py").write_text("from torch import nn\ndef make(): return nn.Bilinear(3, 3, 1)\n")
    rng = np.random.default_rng(0)
    np.savez(work / "train.npz", x=rng.normal(0, 1, (60, 3)).astype(np.float32), y=np.arange(60) % 2)
    with pytest.raises(ModelError, match=r"takes 2 inputs .*pruning takes one: join them"):
        cpcc("prune", f"{work / 'net.py'}:make", "--data", work / "train.npz", "--positive", 1, "-o", work / "p.pt")


def test_records_are_samples_like_others(work: Path) -> None:
    data = load_dataset(work / "data.npz", inputs=tuple(SHAPES))
    assert data.x.shape == (40,) and data.x.dtype.names == tuple(SHAPES)
    assert data.x[3:5].tobytes() == b"".join(part[i].tobytes() for i in (3, 4) for part in drawn(40).values()), (
        "the harness reads the inputs of a sample one after the other"
    )


class Passing(nn.Module):
    """An input as an output, the same value under two names, and layers behind both that could use their memory."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, ...]:
        total = a + b
        late = torch.tanh(b) * torch.sigmoid(b)
        return a, total, torch.relu(torch.tanh(late) * b), total


def test_outputs_that_share_memory() -> None:
    """Nothing may overwrite an output, be it an input or another output too."""
    graph = to_graph(export_module(Passing(), (5,), (5,)), "net", None)
    assert graph.outputs == ("output_0", "output_1", "output_2", "output_3")
    rng = np.random.default_rng(0)
    x = joined({name: rng.normal(0, 1, (20, 5)) for name in graph.inputs})
    int8 = quantize_graph(graph, calibrate(graph, x, "percentile"))
    floats = run_outputs(graph, Float32, x)
    np.testing.assert_array_equal(floats["output_1"], x["a"] + x["b"])
    ones = np.ones(5, np.float32)
    c = compiled(Network(int8, (InputSpec("float32", (5,), 0 * ones, ones),) * 2))
    q = joined({name: int8.tensors[name].integer.quantize(x[name]) for name in int8.inputs})
    expected = c.reference().run(q, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(q, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(q, quantized=True, nodes=True))
    np.testing.assert_array_equal(expected.outputs["output_1"], expected.outputs["output_3"])
    np.testing.assert_array_equal(expected.outputs["output_0"], q["a"])
    assert floats["output_2"].min() >= 0


def test_a_reply_that_breaks_off_names_input_or_output(built: Path) -> None:
    plan = open_build(built).plan
    nodes = bytes_per_sample(plan)
    assert broken_off(b"", plan, True, 1) == (0, "input picture")
    assert broken_off(bytes(32), plan, True, 1) == (0, "input y_")
    assert broken_off(bytes(nodes), plan, True, 1) == (0, "run, output kind")
    assert broken_off(bytes(nodes + 3), plan, True, 1) == (0, "run, output amount")
    assert broken_off(bytes(nodes + 5), plan, True, 1) == (0, "score")


def test_tflite_ports_have_names() -> None:
    """The signature's, else the tensors'."""
    graph = tflite_graph(ported_network(), "t").graph
    assert (graph.inputs, graph.outputs) == (("motion", "turn"), ("pair", "rest", "total"))
    assert tflite_graph(ported_network(signature=False), "t").graph.inputs == ("accel", "tensor1")
    assert len([n for n in graph.nodes if n.name.startswith("split")]) == 2, (
        "the part that nothing reads is not computed"
    )


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
def test_tflite_on_every_executor(target: str, tmp_path: Path) -> None:
    """TensorFlow Lite Micro's outputs, from raw samples on."""
    (tmp_path / "net.tflite").write_bytes(ported_network())
    rng = np.random.default_rng(0)
    x = {name: rng.integers(-128, 128, (20, 4, 3, 6)).astype(np.int8) for name in ("motion", "turn")}
    np.savez(tmp_path / "x.npz", **x)
    for command in (("build", tmp_path / "net.tflite", "--target", target, "-o", tmp_path / "b"),
                    ("verify", tmp_path / "b", "--data", tmp_path / "x.npz"),
                    ("run", tmp_path / "b", "--raw", "--input", tmp_path / "x.npz", "--on", "arm", "-o", tmp_path / "y.npz")):  # fmt: skip
        result = cpcc(*command)
        assert result.exit_code == 0, result.output
    oracle = Oracle((tmp_path / "net.tflite").read_bytes())
    with np.load(tmp_path / "y.npz") as found:
        for i in range(20):
            expected = oracle.run_all([part[i : i + 1] for part in x.values()], 3)
            for name, values in zip(("pair", "rest", "total"), expected):
                np.testing.assert_array_equal(found[name][i], values[0], err_msg=name)
