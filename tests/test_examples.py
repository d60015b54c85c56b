"""The examples and the demo run as their first lines say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cpcc.models.model_file import load_model

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["breast_cancer", "digits", "two_digits"])
def test_example(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    report = json.loads((tmp_path / "build" / name / "verify.json").read_text())
    assert report["bit_exact"], done.stdout + done.stderr
    assert report["fn_match"], done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(each["float"]["auc"] > 0.9 for each in report["classes"])


@pytest.mark.slow
def test_the_gate_on_the_examples(tmp_path: Path) -> None:
    """Against the committed baselines: what CI's own gate is."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "gate.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name, classes in (("cancer", 1), ("digits", 1), ("two_digits", 2)):
        report = json.loads((tmp_path / "build/gate" / name / "verify.json").read_text())
        assert report["passed"] and len(report["classes"]) == classes
        assert 'failures="0"' in (tmp_path / "build/gate" / name / "junit.xml").read_text()


@pytest.mark.slow
def test_own_training_script(tmp_path: Path) -> None:
    """Twice: the second run finds the first one's checkpoint finished and writes the same network."""
    outputs = [
        subprocess.run(
            [sys.executable, EXAMPLES / "own_training.py"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert outputs[0] == outputs[1]
    assert "100.0% of the weights" in outputs[0] and "wrote own.pt2" in outputs[0]
    assert list(load_model(tmp_path / "own.pt2").input_shapes.values()) == [(64,)]


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cpcc.cli", "demo", "-o", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "float dense",
        "float pruned, class-dependent",
        "fixed-point on the Cortex-M",
        "instructions per inference",
    ):
        assert line in done.stdout
    assert "bit-exact: reference = host = arm at every node of 171 samples" in done.stdout
    assert "false-negative rate matches" in done.stdout
    assert "report: out/report.html" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("False negatives: the compiled model misses ")
    assert (tmp_path / "out/report.html").stat().st_size < 2 * 2**20
