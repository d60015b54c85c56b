"""`cpcc build model.onnx` and what follows it, as a user meets it: without torch, with and without a decision."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from cpcc.build_settings import BuildSettings
from cpcc.data import Dataset
from cpcc.detector import Detector
from cpcc.errors import DataError, UsageError
from cpcc.models.onnx_model import compile_onnx
from cpcc.ops.log_softmax import QLogSoftmax
from cpcc.proof.promise import Level, Promise
from cpcc.targets import TARGETS
from onnx_files import node, onnx_file, run_oracle
from test_tflite_cli import cpcc

SHAPE = (2, 6, 6)


def network(classes: int = 2, final: str = "Softmax") -> bytes:
    """A small convolutional classifier with a dynamic batch."""
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.normal(0, 0.5, (4, 2, 3, 3)), "b": rng.normal(0, 0.5, 4), "v": rng.normal(0, 1, (classes, 4)),
        "c": rng.normal(0, 0.2, classes),
    }  # fmt: skip
    nodes = [
        node("Conv", ["x", "w", "b"], ["conv"], pads=[1, 1, 1, 1]), node("Relu", ["conv"], ["relu"]),
        node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["pool"], ["mean"]), node("Flatten", ["mean"], ["flat"]),
        node("Gemm", ["flat", "v", "c"], ["logits"], transB=1), node(final, ["logits"]),
    ]  # fmt: skip
    return onnx_file(nodes, {"x": ("batch", *SHAPE)}, {n: v.astype(np.float32) for n, v in constants.items()})


def samples(n: int, seed: int = 0) -> np.ndarray:
    """Noise around a level of each sample's own, so that samples are told apart."""
    rng = np.random.default_rng(seed)
    return rng.normal(rng.uniform(-2, 2, (n, 1, 1, 1)), 0.5, (n, *SHAPE)).astype(np.float32)


def labels_of(data: bytes, x: np.ndarray) -> np.ndarray:
    return np.array([run_oracle(data, {"x": s[None]})[0].argmax() for s in x])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, data = tmp_path_factory.mktemp("onnx"), network()
    (folder / "net.onnx").write_bytes(data)
    x = samples(80)
    np.savez(folder / "calib.npz", x=x[:40], y=labels_of(data, x[:40]))
    np.savez(folder / "test.npz", x=x[40:], y=labels_of(data, x[40:]))
    np.save(folder / "x.npy", x[:5])
    return folder


def test_a_network_without_a_decision(work: Path) -> None:
    """Its output is the file's own, a final softmax included."""
    done = cpcc("build", "net.onnx", "--calibrate", "calib.npz", "-o", "plain", cwd=work)
    assert done.returncode == 0, done.stderr
    assert "worst layer" in done.stdout and "wrote plain; next:" in done.stdout
    assert (
        "is_positive" not in (work / "plain/lib/plain/plain.h").read_text()
        if (work / "plain/lib/plain").exists()
        else True
    )
    done = cpcc("run", "plain", "--input", "x.npy", "--on", "arm", "-o", "y.npy", cwd=work)
    assert done.returncode == 0, done.stderr
    data = (work / "net.onnx").read_bytes()
    expected = np.concatenate([run_oracle(data, {"x": s[None]})[0] for s in np.load(work / "x.npy")])
    np.testing.assert_allclose(np.load(work / "y.npy"), expected, atol=0.05)
    done = cpcc("verify", "plain", "--data", "test.npz", cwd=work)
    assert done.returncode == 0 and "bit-exact: reference = host = arm" in done.stdout, done.stderr


def test_a_detector_is_compared_with_its_float_network(work: Path) -> None:
    done = cpcc("build", "net.onnx", "--calibrate", "calib.npz", "--positive", "1", "-o", "detector", cwd=work)
    assert done.returncode == 0, done.stderr
    done = cpcc("verify", "detector", "--data", "test.npz", "--json", "v.json", cwd=work)
    assert done.returncode == 0, done.stderr
    assert "false-negative rate matches" in done.stdout and "bit-exact: reference = host = arm" in done.stdout
    report = json.loads((work / "v.json").read_text())
    assert report["fn_match"] is True and len(report["classes"]) == 1
    positives = int((np.load(work / "test.npz")["y"] == 1).sum())
    assert re.search(rf"misses \d+ of {positives} positives, float 0", done.stdout), done.stdout
    for words in (
        ("report", "detector"),
        ("profile", "detector"),
        ("verify", "detector", "--data", "test.npz", "--explain", "0"),
    ):
        done = cpcc(*words, cwd=work)
        assert done.returncode == 0, (words, done.stderr)
    assert "float score" in done.stdout


def test_inspect(work: Path) -> None:
    done = cpcc("inspect", "net.onnx", cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("net.onnx: float, input (2, 6, 6), output (2,), every operator is supported")
    assert "conv_conv" in done.stdout and "gemm_logits" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 7, "a float model needs samples to choose scales from; give some: cpcc build … --calibrate"),
        (("--calibrate", "calib.npz", "--positive", "2"), 2, "--positive 2: the model tells 2 classes, 0 to 1"),
        (("--calibrate", "calib.npz", "--threshold", "0.5"), 2, "--threshold: of which class"),
        (("--calibrate", "calib.npz", "--input", "int8"), 2, "--input: is for"),
        (("--calibrate", "calib.npz", "--self-test"), 2, "--self-test: the model has no decision"),
    ],
)
def test_what_is_refused(work: Path, words: tuple[str, ...], status: int, message: str) -> None:
    done = cpcc("build", "net.onnx", *words, "-o", "refused", cwd=work)
    assert done.returncode == status and message in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and not (work / "refused").exists()


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello, this is no model")
    done = cpcc("inspect", "text.onnx", cwd=tmp_path)
    assert done.returncode == 3 and "not an ONNX model" in done.stderr and done.stderr.count("\n") == 1
    (tmp_path / "text.tflite").write_text("hello, this is no model")
    for name in ("text.onnx", "text.tflite"):
        done = cpcc("build", name, cwd=tmp_path)
        assert done.returncode == 3 and done.stderr.startswith(f"cpcc: error: {name}: not a"), done.stderr
    done = cpcc("inspect", "absent.onnx", cwd=tmp_path)
    assert done.returncode == 3 and "no such file; give an .onnx model" in done.stderr


def test_promises_and_thresholds(work: Path) -> None:
    """The options of a detector's threshold hold for ONNX models as for others."""
    path, data = work / "net.onnx", network()
    x = samples(400, 3)
    given = Dataset(x, labels_of(data, x), None)
    settings = BuildSettings(TARGETS["host"], "net", positive=1, promise=Promise((Level("max-fnr", None, 0.2),), 0.9))
    promised, _ = compile_onnx(path, settings, given, None)
    assert isinstance(promised, Detector) and promised.decisions[0].guarantee.level == 0.2
    tuned, _ = compile_onnx(path, BuildSettings(TARGETS["host"], "net", positive=1, threshold=0.8), given, None)
    assert isinstance(tuned, Detector) and tuned.decisions[0].float_threshold == pytest.approx(np.log(4))
    with pytest.raises(UsageError, match="--regression: has no decision"):
        compile_onnx(path, BuildSettings(TARGETS["host"], "net", positive=1, regression=True), given, None)
    with pytest.raises(DataError, match="the model expects"):
        compile_onnx(path, BuildSettings(TARGETS["host"], "net"), Dataset(x[:, :1], None, None), None)
    (work / "log.onnx").write_bytes(network(final="LogSoftmax"))
    logarithms, _ = compile_onnx(work / "log.onnx", BuildSettings(TARGETS["host"], "net"), given, None)
    kept = [type(node.params) for node in logarithms.graph.nodes]
    assert QLogSoftmax in kept  # without a decision the file's own output stays


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    """Samples by the inputs' names; the output that decides by its name."""
    rng = np.random.default_rng(1)
    constants = {"w": rng.normal(0, 1, (2, 4)).astype(np.float32)}
    nodes = [
        node("Add", ["left", "right"], ["sum"]), node("Gemm", ["sum", "w"], ["spoken"], transB=1),
        node("Relu", ["sum"], ["level"]),
    ]  # fmt: skip
    data = onnx_file(nodes, {"left": (1, 4), "right": (1, 4)}, constants, ("level", "spoken"))
    (tmp_path / "two.onnx").write_bytes(data)
    left, right = (rng.normal(0, 1, (30, 4)).astype(np.float32) for _ in range(2))
    y = ((left + right) @ constants["w"].T).argmax(1)
    np.savez(tmp_path / "x.npz", left=left, right=right, y=y)
    words = ("build", "two.onnx", "--calibrate", "x.npz", "--positive", "1", "--target", "host", "-o", "two")
    done = cpcc(*words, cwd=tmp_path)
    assert done.returncode == 2 and "say which one decides with --decides: level (0), spoken (1)" in done.stderr
    done = cpcc(*words, "--decides", "spoken", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = cpcc("verify", "two", "--data", "x.npz", "--allow-fn", "2", cwd=tmp_path)
    assert done.returncode == 0 and "bit-exact: reference = host" in done.stdout, done.stderr


def test_a_model_that_is_quantized_already(tmp_path: Path) -> None:
    """No calibration data; a decision without a float network; integers in, where the user says so."""
    from test_onnx_qdq import NETWORK_SHAPE, statically_quantized

    statically_quantized(tmp_path, uint8=True, per_channel=True)
    done = cpcc("inspect", "qdq.onnx", cwd=tmp_path)
    assert done.returncode == 0 and "qdq.onnx: int8, input (2, 8, 8), output (3,)" in done.stdout, done.stderr
    done = cpcc("build", "qdq.onnx", "--positive", "1", "-o", "qdq", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    x = np.random.default_rng(3).normal(0, 1, (20, *NETWORK_SHAPE)).astype(np.float32)
    data = (tmp_path / "qdq.onnx").read_bytes()
    theirs = np.concatenate([run_oracle(data, {"x": s[None]})[0] for s in x])
    np.savez(tmp_path / "x.npz", x=x, y=theirs.argmax(1))
    done = cpcc("verify", "qdq", "--data", "x.npz", cwd=tmp_path)
    assert done.returncode == 0 and "bit-exact: reference = host = arm" in done.stdout, done.stderr
    assert "float" not in done.stdout.partition("bit-exact")[0]
    np.save(tmp_path / "x.npy", x)
    done = cpcc("run", "qdq", "--input", "x.npy", "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), theirs, atol=1.01 / 255)
    done = cpcc("build", "qdq.onnx", "--input", "uint8", "-o", "raw", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = cpcc("build", "qdq.onnx", "--calibration", "mse", "-o", "refused", cwd=tmp_path)
    assert done.returncode == 2 and "is quantized already; leave them out" in done.stderr
