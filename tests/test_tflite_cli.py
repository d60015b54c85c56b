"""`cpcc build model.tflite` and what follows it, as a user meets it: without torch, with and without a decision."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from conftest import need_tool
from cpcc import artifacts
from cpcc.build import build
from cpcc.build_settings import BuildSettings
from cpcc.data import Dataset
from cpcc.detector import Detector, Network, scores_of
from cpcc.errors import DataError, ModelError, UsageError
from cpcc.executors.unicorn_core import UnicornCore
from cpcc.folder import open_build
from cpcc.frontends.tflite import HANDLERS, to_graph
from cpcc.models.tflite_model import compile_tflite
from cpcc.quantize import run_int8
from cpcc.targets import TARGETS
from cpcc.toolchains import build_program, gcc_cross, zig_cross
from support import assert_equal, compiled
from tflite_files import FileOperator, FileTensor, activation, tflite_file
from tflite_samples import CLASSES, SAMPLE_SHAPE, branchy_network, varied_network

HOST, STM32 = TARGETS["host"], TARGETS["stm32"]


WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] != "torch", "torch is imported"
sys.meta_path.insert(0, NoTorch())
from cpcc.cli import main
main()
"""


def cpcc(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own that importing torch ends."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def samples(n: int, seed: int = 0) -> np.ndarray:
    """Noise around a level of each sample's own, so that samples are told apart."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(rng.uniform(-128, 128, (n, 1, 1, 1)), 40, (n, *SAMPLE_SHAPE))
    return np.clip(noise, -128, 127).astype(np.int8)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tflite")
    (folder / "plain.tflite").write_bytes(branchy_network(softmax=False))
    (folder / "classes.tflite").write_bytes(branchy_network(classes=2))
    return folder


def test_build_verify_run_and_profile_without_torch(work: Path) -> None:
    """A network without classes: equality alone is verified; run gives TensorFlow Lite's own bytes."""
    done = cpcc("build", "plain.tflite", "-o", "plain", cwd=work)
    assert done.returncode == 0, done.stderr
    assert "wrote plain; next:" in done.stdout
    header = (work / "plain/lib/plain/plain.h").read_text()
    assert "is_positive" not in header and "THRESHOLD" not in header and "PLAIN_OUTPUT_SCALE" in header
    x = samples(5)
    np.savez(work / "x.npz", x=x, y=np.arange(5))
    np.save(work / "x.npy", x)
    done = cpcc("verify", "plain", "--data", "x.npz", "--json", "verify.json", cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bit-exact: reference = host = arm at every node of 5 samples")
    report = json.loads((work / "verify.json").read_text())
    jsonschema.validate(report, json.loads((files("cpcc.schemas") / "verify.schema.json").read_text()))
    assert report["classes"] == [] and report["fn_match"] is None and report["passed"]
    done = cpcc("run", "plain", "--input", "x.npy", "--raw", "--on", "arm", "-o", "y.npy", cwd=work)
    assert done.returncode == 0, done.stderr
    expected = run_int8(to_graph((work / "plain.tflite").read_bytes(), "t").graph, x)
    np.testing.assert_array_equal(np.load(work / "y.npy"), expected)
    done = cpcc("profile", "plain", "--json", "profile.json", cwd=work)
    assert done.returncode == 0, done.stderr
    profile = json.loads((work / "profile.json").read_text())
    assert profile["layers"][2]["kernel"].startswith("add_")  # whichever is cheapest


def test_inspect_and_the_documented_operators(work: Path) -> None:
    done = cpcc("inspect", "plain.tflite", cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("plain.tflite: int8, input (6, 5, 2), output (3,), every operator is supported\n")
    assert "depthwise_conv_2d_1  depthwise_conv2d" in done.stdout
    page = (Path(__file__).parent.parent / "docs" / "tflite.md").read_text()
    table = page[page.index("| operator |") : page.index("Fused RELU")]
    documented = {
        word
        for line in table.splitlines()[2:]
        for word in re.findall("[A-Z][A-Z0-9_]+", line.split("|")[1] if "|" in line else "")
    }
    assert documented == set(HANDLERS)


def test_a_classifier_gets_its_class_on_request(work: Path) -> None:
    x = samples(40, 1)
    path, out = work / "classes.tflite", work / "classes"
    outputs = run_int8(to_graph(path.read_bytes(), "t").graph, x).astype(int)
    margin = outputs[:, 1] - outputs[:, 0]
    y = (margin > np.median(margin)).astype(np.int64)
    result = build(path, BuildSettings(STM32, "classes", positive=1), Dataset(x, y, None), out)
    assert isinstance(result.detector, Detector)
    threshold = result.detector.decisions[0].threshold
    assert ((margin >= threshold) == y.astype(bool)).all()
    assert f"#define CLASSES_THRESHOLD ({threshold})" in (out / "lib/classes/classes.h").read_text()
    np.savez(work / "labelled.npz", x=x, y=y)
    done = cpcc("verify", "classes", "--data", "labelled.npz", "--json", "labelled.json", cwd=work)
    assert done.returncode == 0, done.stderr
    report = json.loads((work / "labelled.json").read_text())
    jsonschema.validate(report, json.loads((files("cpcc.schemas") / "verify.schema.json").read_text()))
    (found,) = report["classes"]
    assert found["fixed"]["fn"] == found["fixed"]["fp"] == 0
    assert found["float"] is None and report["fn_match"] is None


def detector(
    work: Path, positive: int | None = 1, threshold: float | None = None, data: Dataset | None = None
) -> Network:
    settings = BuildSettings(HOST, "t", positive=positive, threshold=threshold)
    return compile_tflite(work / "classes.tflite", settings, data)[0]


def test_the_default_rule_is_that_the_class_wins(work: Path) -> None:
    plain = detector(work)
    assert isinstance(plain, Detector) and plain.decisions[0].threshold == 0
    tuned = detector(work, threshold=0.75)
    assert isinstance(tuned, Detector) and tuned.decisions[0].threshold == 128  # p - (1 - p) = 0.5, in units of 1/256


@pytest.mark.parametrize(
    ("positive", "p", "threshold"), [(1, None, 128), (0, None, -128), (1, 0.25, 64), (0, 0.25, -192)]
)
def test_one_output_is_the_probability_of_class_1(work: Path, positive: int, p: float | None, threshold: int) -> None:
    """A logistic at the end: at p = 0.5 the outputs from 0.5 on are class 1."""
    tensors = [activation((1,), 0.1, 3), activation((1,), 0.1, 3), activation((1,), 1 / 256, -128)]
    operators = [FileOperator("RELU6", (0,), (1,)), FileOperator("LOGISTIC", (1,), (2,))]
    (work / "binary.tflite").write_bytes(tflite_file(tensors, operators, (0,), (2,)))
    network, _ = compile_tflite(work / "binary.tflite", BuildSettings(HOST, "t", positive=positive, threshold=p), None)
    assert isinstance(network, Detector)
    assert network.decisions[0].threshold == threshold
    q = np.array([[-128], [0], [127]], np.int8)
    level = q[:, 0].astype(int) + 128  # 256 times the probability of class 1
    asked = 256 * (0.5 if p is None else p)
    expected = level >= asked if positive else 256 - level >= asked
    np.testing.assert_array_equal(scores_of(network, {network.logits.name: q})[:, 0] >= threshold, expected)


def test_wrong_requests(work: Path) -> None:
    with pytest.raises(UsageError, match="2 classes, 0 to 1"):
        detector(work, positive=2)
    with pytest.raises(UsageError, match="name it with --positive"):
        detector(work, positive=None, threshold=0.5)
    with pytest.raises(DataError, match="one side of class 1 only"):
        detector(work, data=Dataset(samples(3), np.zeros(3, np.int64), None))
    with pytest.raises(DataError, match="the model expects"):
        detector(work, data=Dataset(samples(3)[:, :1], None, None))
    with pytest.raises(ModelError, match="no such file"):
        compile_tflite(work / "absent.tflite", BuildSettings(HOST, "t"), None)
    (work / "three.tflite").write_bytes(branchy_network(classes=CLASSES))
    with pytest.raises(UsageError, match="3 classes and the rule is that class 2 beats every other"):
        compile_tflite(work / "three.tflite", BuildSettings(HOST, "t", positive=2, threshold=0.7), None)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_every_raw_type_reaches_the_same_input(work: Path, dtype: str) -> None:
    """The input tensor itself, the tensor plus 128, or real values."""
    settings = BuildSettings(STM32, "t", input_dtype=dtype)
    network, _ = compile_tflite(work / "plain.tflite", settings, None)
    kind = network.graph.input.type
    q = samples(6, 3)
    raw = {
        "int8": q,
        "uint8": (q.astype(np.int16) + 128).astype(np.uint8),
        "float32": kind.dequantize(q).astype(np.float32),
    }[dtype]  # type: ignore[union-attr]
    c = compiled(network)
    trace = c.reference().run(raw, nodes=True)
    np.testing.assert_array_equal(trace.nodes["input"], q)
    assert_equal(trace, c.host().run(raw, nodes=True))
    if dtype != "uint8":  # the copy and the conversion; uint8 differs in its C type alone
        assert_equal(trace, c.arm().run(raw, nodes=True))


def test_quantize_and_dequantize_at_the_ends_are_the_callers() -> None:
    """A converter's default: float in and out around an int8 network."""
    x, y = activation((4,), 0.1, 3), activation((4,), 1 / 256, -128)
    tensors = [FileTensor((1, 4), type="FLOAT32"), x, y, FileTensor((1, 4), type="FLOAT32")]
    operators = [
        FileOperator("QUANTIZE", (0,), (1,)),
        FileOperator("SOFTMAX", (1,), (2,), "SoftmaxOptions", {"Beta": 1.0}),
        FileOperator("DEQUANTIZE", (2,), (3,)),
    ]
    imported = to_graph(tflite_file(tensors, operators, (0,), (3,)), "t")
    assert imported.input_dtypes == ("float32",)
    assert [node.name for node in imported.graph.nodes] == ["softmax_1"]


def test_the_firmware_checks_itself(work: Path) -> None:
    """The generated main.c, booted: every output of the drawn examples is the reference's."""
    build(work / "plain.tflite", BuildSettings(STM32, "plain"), None, work / "boot")
    folder = open_build(work / "boot")
    main = "#define CPCC_SEMIHOSTING\n" + artifacts.pristine_main(folder)
    library = artifacts.library_on_disk(folder)
    status, text = UnicornCore(artifacts.arm_image(folder.plan, library, main), STM32).boot()
    assert status == 0 and text.count(", ok\n") == 2 and "sample 1: output 0 is" in text
    broken = main.replace(
        "static const int8_t expected[2][PLAIN_OUTPUT_ELEMENTS] = {\n    {\n        ",
        "static const int8_t expected[2][PLAIN_OUTPUT_ELEMENTS] = {\n    {\n        1 + ",
    )
    status, text = UnicornCore(artifacts.arm_image(folder.plan, library, broken), STM32).boot()
    assert status == 1 and "MISMATCH" in text


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_no_warnings(work: Path, compiler: str) -> None:
    """-Wall -Wextra -Wconversion -Wpedantic -Werror, for a core with and without the DSP extension."""
    if compiler == "gcc":
        need_tool("arm-none-eabi-gcc")
    (work / "varied.tflite").write_bytes(varied_network())
    for target, file, positive in (
        ("stm32", "classes", 1), ("cortex-m0plus", "classes", 1), ("stm32", "varied", None), ("cortex-m0plus", "varied", None),
    ):  # fmt: skip
        network, _ = compile_tflite(
            work / f"{file}.tflite", BuildSettings(TARGETS[target], "t", positive=positive), None
        )
        c = compiled(network, TARGETS[target])
        tool = (zig_cross if compiler == "zig" else gcc_cross)(TARGETS[target].core)
        tool = replace(tool, compile_flags=(*tool.compile_flags, "-Werror"))
        sources = {**c.library, "main.c": "int main(void);\nint main(void) { return 0; }\n", **artifacts._startup()}
        build_program(tool, sources, ".elf", artifacts.linker_script(c.plan, ["*.o"]))
