"""`cpcc build --optimize`, `--flash` and `--ram`: what is chosen, that it fits, that it stays proved, and what is said where it does not."""

from __future__ import annotations

import json
import re
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from cpcc.cli import cli
from cpcc.errors import CpccError, DoesNotFitError, UsageError
from cpcc.folder import open_build
from cpcc.models.exporting import export_module
from cpcc.models.model_file import save_program

SHAPE = (1, 12, 12)
run = partial(CliRunner().invoke, cli, catch_exceptions=False)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of convolutions, its last layers sparse, and calibration samples."""
    folder = tmp_path_factory.mktemp("optimize")
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 32), nn.ReLU(),
        nn.Linear(32, 2),
    )  # fmt: skip
    with torch.no_grad():
        for weight in [p for p in net.parameters() if p.ndim > 1][2:]:
            weight *= torch.rand_like(weight) < 0.1
    save_program(folder / "m.pt", export_module(net.eval(), SHAPE))
    x = np.random.default_rng(0).normal(0, 1, (40, *SHAPE)).astype(np.float32)
    np.savez(folder / "x.npz", x=x, y=np.arange(40) % 2)
    return folder


def build(work: Path, name: str, *words: str) -> dict[str, Any]:
    """The report of a build into the folder `name`."""
    done = run(["build", str(work / "m.pt"), "--calibrate", str(work / "x.npz"), "-o", str(work / name),
                "--json", str(work / f"{name}.json"), *words])  # fmt: skip
    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads((work / f"{name}.json").read_text())
    jsonschema.validate(report, json.loads((files("cpcc.schemas") / "build.schema.json").read_text()))
    assert done.output.splitlines()[-2].startswith("sparsity saves"), done.output
    assert report["image_bytes"] <= report["flash_limit"]
    assert 0 < report["stack_bytes"] <= 512
    assert all(0 < layer["accumulator"] < 2**31 for layer in report["layers"] if layer["macs_dense"])
    return report


def test_objectives(work: Path) -> None:
    found = {o: build(work, o, "--optimize", o) for o in ("speed", "size", "balanced")}
    speed, size, balanced = found["speed"], found["size"], found["balanced"]
    assert size["image_bytes"] < speed["image_bytes"]
    assert size["flash_bytes"] - size["constant_bytes"] <= 6 * 1024
    assert speed["flash_bytes"] - speed["constant_bytes"] <= 24 * 1024
    assert speed["cycles"] <= min(size["cycles"], balanced["cycles"])
    assert balanced["flash_bytes"] <= speed["flash_bytes"]
    assert speed["saved_instructions"] > 0.2
    assert any(layer["cashed_in"] and layer["cashed_in"] > 0.3 for layer in speed["layers"])


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus", "host"])
def test_a_small_build_is_proved(work: Path, target: str) -> None:
    """The folder keeps its kernels: what is verified and profiled is what was built, at -Os."""
    name = f"proved-{target}"
    done = run(["build", str(work / "m.pt"), "--calibrate", str(work / "x.npz"), "-o", str(work / name), "--optimize", "size",
                "--target", target])  # fmt: skip
    assert done.exit_code == 0, done.output
    opened = open_build(work / name)
    assert opened.plan.kernels == opened.manifest.kernels
    assert opened.plan.objective.level == "-Os"
    assert "build_flags = -Os" in (work / name / "platformio.ini").read_text() or target != "stm32"
    verified = run(["verify", str(work / name), "--data", str(work / "x.npz"), "--allow-fn", "40"])
    assert verified.exit_code == 0 and "bit-exact: reference = host" in verified.output, verified.output


def test_a_budget_is_kept(work: Path) -> None:
    """A little less flash than the fastest image takes, and a little less RAM where another kernel needs less."""
    fastest = build(work, "fastest")
    limit = fastest["image_bytes"] - 300
    within = build(work, "within", "--flash", str(limit))
    assert within["image_bytes"] <= limit == within["flash_limit"]
    assert within["cycles"] >= fastest["cycles"] or within["arena_bytes"] > fastest["arena_bytes"], (
        "cycles that bought RAM"
    )
    assert open_build(work / "within").plan.kernels != open_build(work / "fastest").plan.kernels


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("--flash", "3000"), DoesNotFitError, r"needs [\d,]+ B of flash, --flash allows 3,000; largest: .* B\. Try --optimize size\."),
        (("--flash", "3000", "--optimize", "size"), DoesNotFitError, r"largest: .* B\. Prune further \(cpcc prune --keep\)"),
        (("--ram", "2100", "--int16", "all"), DoesNotFitError, r"Try --int16 never \(\d+ layers have int16 activations\)"),
        (("--ram", "2100"), DoesNotFitError, r"needs [\d,]+ B of arena .* --ram allows 2,100 B of RAM \(the input alone, always whole in memory, takes 144\); largest tensor: "),
        (("--ram", "999999"), UsageError, r"--ram 999999: stm32 has 131,072 bytes"),
    ],
)  # fmt: skip
def test_what_does_not_fit(work: Path, words: tuple[str, ...], error: type[CpccError], message: str) -> None:
    """One line that names need, limit and next step; nothing is written."""
    with pytest.raises(error, match=message):
        run(["build", str(work / "m.pt"), "--calibrate", str(work / "x.npz"), "-o", str(work / "never"), *words])
    assert not (work / "never").exists()


class Thrice(nn.Module):
    """One convolution that is called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.relu(self.conv(torch.relu(self.conv(x))))).amax((2, 3))


def test_weights_that_layers_share(tmp_path: Path) -> None:
    """The weights of a layer that is called three times, between types of its own each time, are stored once, in the image as in the
    report. All is proved."""
    torch.manual_seed(0)
    save_program(tmp_path / "m.pt", export_module(Thrice().eval(), (8, 6, 6)))
    x = np.random.default_rng(0).normal(0, 1, (20, 8, 6, 6)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 8)
    for optimize, array, nbytes in (("size", "const int8_t {}[576]", 576), ("speed", "const int32_t {}[144]", 576)):
        done = run(["build", str(tmp_path / "m.pt"), "--calibrate", str(tmp_path / "x.npz"), "-o", str(tmp_path / optimize),
                    "--optimize", optimize, "--json", str(tmp_path / "r.json"), "--positive", "1"])  # fmt: skip
        assert done.exit_code == 0, done.output
        report = json.loads((tmp_path / "r.json").read_text())
        text = next((tmp_path / optimize / "lib").rglob("m.c")).read_text()
        assert len(re.findall(re.escape(array).replace(r"\{\}", r"\w+"), text)) == 1
        assert nbytes < report["constant_bytes"] < 2 * nbytes and report["constant_bytes"] <= report["flash_bytes"]
        assert report["copies"] == [] and "are the same" not in done.output
        verified = run(["verify", str(tmp_path / optimize), "--data", str(tmp_path / "x.npz"), "--allow-fn", "20"])
        assert verified.exit_code == 0 and "bit-exact: reference = host" in verified.output, verified.output


class DepthwiseThrice(Thrice):
    """One filter for each channel, of few weights: fastest as code of its own, which follows from the types too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.conv.weight.data *= torch.rand_like(self.conv.weight) < 0.15


def test_weights_that_are_stored_more_than_once_are_named(tmp_path: Path) -> None:
    """Where kernels whose code and streams hold scales too are much faster than those that share; `size` shares."""
    torch.manual_seed(0)
    save_program(tmp_path / "m.pt", export_module(DepthwiseThrice().eval(), (8, 6, 6)))
    x = np.random.default_rng(0).normal(0, 1, (20, 8, 6, 6)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20) % 8)
    for optimize, times in (("speed", [3]), ("size", [])):
        done = run(["build", str(tmp_path / "m.pt"), "--calibrate", str(tmp_path / "x.npz"), "-o", str(tmp_path / optimize),
                    "--optimize", optimize, "--json", str(tmp_path / "r.json"), "--positive", "1"])  # fmt: skip
        assert done.exit_code == 0, done.output
        copies = json.loads((tmp_path / "r.json").read_text())["copies"]
        assert [each["times"] for each in copies] == times
        said = "the weights of conv, conv_2, conv_3 are the same, but stored 3 times" in done.output
        assert said == bool(times), done.output
