"""`cpcc build` of networks that fit only in bands: what it prints and keeps, and that the proof holds."""

from __future__ import annotations

import json
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
from cpcc.errors import DoesNotFitError, ModelError, VerificationError
from cpcc.folder import MANIFEST, open_build
from cpcc.models.exporting import export_module
from cpcc.models.model_file import save_program
from cpcc.nets import cnn3
from cpcc.plan.plan import Plan
from onnx_files import exported

run = partial(CliRunner().invoke, cli, catch_exceptions=False)
SCHEMA = json.loads((files("cpcc.schemas") / "build.schema.json").read_text())


def save(folder: Path, name: str, net: nn.Module, shape: tuple[int, ...], samples: int) -> None:
    save_program(folder / f"{name}.pt", export_module(net.eval(), shape))
    x = np.random.default_rng(0).normal(0, 1, (samples, *shape)).astype(np.float32)
    np.savez(folder / f"{name}.npz", x=x, y=np.arange(samples) % 2)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stripes")
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(4, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(),
        nn.Conv2d(16, 8, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, 2),
    )  # fmt: skip
    save(folder, "m", net, (4, 24, 24), 12)
    (folder / "m.onnx").write_bytes(exported(net, (4, 24, 24)))
    return folder


def build(work: Path, out: str, *words: str, model: str = "m.pt") -> tuple[dict[str, Any], str]:
    done = run(["build", str(work / model), "--calibrate", str((work / model).with_suffix(".npz")), "-o", str(work / out),
                "--json", str(work / f"{out}.json"), *words])  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads((work / f"{out}.json").read_text())
    jsonschema.validate(report, SCHEMA)
    return report, done.output


@pytest.mark.parametrize("objective", ["speed", "size", "balanced"])
def test_what_does_not_fit_whole_is_striped(work: Path, objective: str) -> None:
    """9,216 bytes of the first convolution, in 6 KiB of RAM, 2 KiB of them for the stack."""
    report, text = build(work, objective, "--ram", "6144", "--optimize", objective)
    found = report["striping"]
    assert report["arena_bytes"] <= 4096 < 9216 < found["whole_arena"]
    assert found["instructions"] < 1.1 * found["whole_instructions"] or objective != "speed"
    (line,) = [line for line in text.splitlines() if line.startswith("striped: ")]
    assert f"arena {report['arena_bytes']:,} B instead of {found['whole_arena']:,}, " in line
    opened = open_build(work / objective)
    assert opened.plan.stripes and opened.plan.arena.size == report["arena_bytes"]
    assert [layer["name"] for layer in report["layers"]] == list(opened.plan.kernels)
    verified = run(["verify", str(work / objective), "--data", str(work / "m.npz"), "--allow-fn", "12"])
    assert verified.exit_code == 0 and "bit-exact: reference = host = arm" in verified.output, verified.output


def test_an_onnx_model_is_striped(work: Path) -> None:
    """The same bands as of the PyTorch model, and equal at every node on three executors."""
    report, _ = build(work, "from_onnx", "--ram", "6144", "--positive", "1", model="m.onnx")
    assert report["arena_bytes"] <= 4096 < report["striping"]["whole_arena"]
    build(work, "from_torch", "--ram", "6144")
    bands = [
        [(len(p.steps), s.rows) for s in p.stripes] for p in map(plan_of, (work / "from_onnx", work / "from_torch"))
    ]
    assert bands[0] == bands[1] != []
    verified = run(["verify", str(work / "from_onnx"), "--data", str(work / "m.npz"), "--allow-fn", "12"])
    assert verified.exit_code == 0 and "bit-exact: reference = host = arm" in verified.output, verified.output


def plan_of(folder: Path) -> Plan:
    return open_build(folder).plan


def test_a_band_that_differs_is_named(work: Path) -> None:
    """The padding's value changed in the generated C, in the struct of a band inside the image."""
    build(work, "broken", "--ram", "6144")
    source = next((work / "broken" / "lib").rglob("m.c"))
    text = source.read_text()
    struct = next(part for part in text.split("static const cpcc_") if ".window.top = 0," in part)
    source.write_text(text.replace(struct, struct.replace(".window.pad_value = ", ".window.pad_value = 1 + ", 1)))
    with pytest.raises(VerificationError, match=r"host: sample 0, node 0\[[1-9]\d*:\d+\], index"):
        run(["verify", str(work / "broken"), "--data", str(work / "m.npz"), "--allow-fn", "12"])


def test_a_manifest_with_other_stripes(work: Path) -> None:
    build(work, "changed", "--ram", "6144")
    path = work / "changed" / MANIFEST
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "stripes": [["0", "nowhere", 2]]}))
    with pytest.raises(ModelError, match="0 to nowhere: cannot be computed in bands; run cpcc build again"):
        open_build(work / "changed")


def test_too_little_ram_even_in_bands(work: Path) -> None:
    with pytest.raises(
        DoesNotFitError, match=r"needs [\d,]+ B of arena .* even in bands of rows, --ram allows 3,072 B of RAM"
    ):
        run(
            [
                "build",
                str(work / "m.pt"),
                "--calibrate",
                str(work / "m.npz"),
                "-o",
                str(work / "never"),
                "--ram",
                "3072",
            ]
        )
    assert not (work / "never").exists()


@pytest.mark.slow
def test_the_papers_network_at_128x128(tmp_path: Path) -> None:
    """Whole it needs 254,912 bytes of arena; the board has 131,072 of RAM."""
    torch.manual_seed(0)
    save(tmp_path, "cnn3", cnn3((3, 128, 128), 2), (3, 128, 128), 6)
    report, _ = build(tmp_path, "built", "--target", "stm32", model="cnn3.pt")
    assert report["arena_bytes"] < 70_000 and report["striping"]["whole_arena"] == 254_912
    done = run(["verify", str(tmp_path / "built"), "--data", str(tmp_path / "cnn3.npz"), "--allow-fn", "6"])
    assert done.exit_code == 0 and "bit-exact: reference = host = arm" in done.output, done.output
