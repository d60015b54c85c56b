"""The command line as a user meets it: whole runs, exit codes, one-line errors, nothing half-written."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from commandline import inside

SHAPE = (6,)


def cpcc(*words: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cpcc.cli", *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )


def samples(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping clouds, a fifth of them positive."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 5 == 0).astype(np.int64)
    return (rng.normal(0, 1, (n, *SHAPE)) + 1.2 * y[:, None]).astype(np.float32), y


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a pruned model and its build."""
    folder = tmp_path_factory.mktemp("work")
    for name, seed in (("train", 1), ("test", 2)):
        x, y = samples(300, seed)
        np.savez(folder / f"{name}.npz", x=x, y=y)
    done = inside(
        "prune",
        "mlp",
        "--data",
        "train.npz",
        "--positive",
        1,
        "--keep",
        0.3,
        "--epochs",
        4,
        "-o",
        "my-net.pt",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    done = inside("build", "my-net.pt", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "wrote build/my-net" in done.stdout
    return folder


def schema(name: str) -> dict[str, object]:
    return json.loads((files("cpcc.schemas") / f"{name}.schema.json").read_text())


def test_verify_writes_its_json(work: Path) -> None:
    done = cpcc("verify", "build/my-net", "--data", "test.npz", "--json", "deep/verify.json", "--allow-fn", 5, cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((work / "deep/verify.json").read_text())
    jsonschema.validate(report, schema("verify"))
    assert report["bit_exact"] is True
    assert report["samples"] == 300
    assert report["executors"] == ["reference", "host", "arm"]
    assert report["classes"][0]["fixed"]["fn"] + report["classes"][0]["fixed"]["tp"] == 60
    assert "bit-exact: reference = host = arm" in done.stdout


def test_verify_without_labels(work: Path) -> None:
    np.savez(work / "unlabelled.npz", x=samples(20)[0])
    done = inside("verify", "build/my-net", "--data", "unlabelled.npz", "--json", "u.json", cwd=work)
    assert done.returncode == 0, done.stderr
    report = json.loads((work / "u.json").read_text())
    jsonschema.validate(report, schema("verify"))
    assert (report["fn_match"], report["classes"]) == (None, [])


def test_profile(work: Path) -> None:
    done = inside("profile", "build/my-net", "--json", "profile.json", cwd=work)
    assert done.returncode == 0, done.stderr
    profile = json.loads((work / "profile.json").read_text())
    jsonschema.validate(profile, schema("profile"))
    assert profile["instructions"] >= sum(layer["instructions"] for layer in profile["layers"])
    assert profile["macs_nonzero"] < profile["macs_dense"] <= 6 * 32 + 32 * 16 + 16  # without dead channels
    assert 0 < profile["flash_bytes"] < profile["firmware_flash_bytes"]
    assert profile["ram_bytes"] == profile["arena_bytes"]
    assert 0 < profile["stack_bytes"] <= 512
    assert profile["constant_time"] is True
    assert max(entry["offset"] + entry["bytes"] for entry in profile["arena"]) <= profile["arena_bytes"]
    assert "constant time: every layer" in done.stdout
    slow = inside("profile", "build/my-net", "--json", "slow.json", "--wait-states", 5, cwd=work)
    assert slow.returncode == 0 and "5 flash wait states" in slow.stdout
    waiting = json.loads((work / "slow.json").read_text())
    assert waiting["instructions"] == profile["instructions"] and waiting["cycles"] > profile["cycles"]
    again = inside("profile", "build/my-net", "--json", "again.json", cwd=work)
    assert again.returncode == 0
    assert (work / "again.json").read_text() == (work / "profile.json").read_text()


@pytest.mark.parametrize("executor", ["reference", "host", "arm"])
def test_run_gives_the_same_on_every_executor(work: Path, executor: str) -> None:
    x, _ = samples(9, 3)
    np.save(work / "x.npy", x)
    np.save(work / "q.npy", np.random.default_rng(0).integers(-128, 128, (5, 6)).astype(np.int8))
    for flags, name in (([], "x"), (["--raw"], "q")):
        done = inside(
            "run",
            "build/my-net",
            "--input",
            f"{name}.npy",
            "-o",
            f"{executor}-{name}.npy",
            "--on",
            executor,
            *flags,
            cwd=work,
        )
        assert done.returncode == 0, done.stderr
        inside("run", "build/my-net", "--input", f"{name}.npy", "-o", "expected.npy", *flags, cwd=work)
        actual, expected = np.load(work / f"{executor}-{name}.npy"), np.load(work / "expected.npy")
        np.testing.assert_array_equal(actual, expected)
        assert actual.dtype == (np.int8 if flags else np.float32)


def test_inspect_says_how_it_was_pruned(work: Path) -> None:
    done = inside("inspect", "my-net.pt", cwd=work)
    assert done.returncode == 0, done.stderr
    assert "linear" in done.stdout
    assert "important class 1" in done.stdout


def test_export_build_verify_of_a_users_own_module(tmp_path: Path) -> None:
    """What most people have: a module and its state_dict; no training data, no metadata."""
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(1))\n"
    )
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    torch.save(net.state_dict(), tmp_path / "w.pt")
    x, y = samples(60)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    assert (
        inside(
            "export", "net.py:make", "--weights", "w.pt", "--input-shape", "6", "-o", "m.pt", cwd=tmp_path
        ).returncode
        == 0
    )
    refused = inside("build", "m.pt", cwd=tmp_path)
    assert (refused.returncode, "--calibrate" in refused.stderr) == (7, True)
    built = inside(
        "build",
        "m.pt",
        "--calibrate",
        "data.npz",
        "--positive",
        2,
        "--threshold",
        0.3,
        "--name",
        "1a",
        "-o",
        "b",
        cwd=tmp_path,
    )
    assert built.returncode == 0, built.stderr
    assert "m_1a_run" in (tmp_path / "b/lib/m_1a/m_1a.h").read_text()
    np.savez(tmp_path / "test.npz", x=x, y=np.where(y == 1, 2, 0))
    done = inside("verify", "b", "--data", "test.npz", "--allow-fn", 60, "--json", "v.json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "v.json").read_text())
    assert report["classes"][0]["float_dense"] is None


def test_a_changed_library_is_caught_at_the_node(work: Path) -> None:
    """Break the generated code: verify names executor, node, index and both values, and still writes its JSON."""
    inside("build", "my-net.pt", "-o", "broken", cwd=work)
    source = work / "broken/lib/my_net/my_net.c"
    text = source.read_text()
    changed = text.replace(".zero_point = ", ".zero_point = 1 + ", 1)
    assert changed != text
    source.write_text(changed)
    done = inside("verify", "broken", "--data", "test.npz", "--json", "broken.json", cwd=work)
    assert done.returncode == 6
    assert "was changed since the build" in done.stderr
    report = json.loads((work / "broken.json").read_text())
    jsonschema.validate(report, schema("verify"))
    assert report["bit_exact"] is False
    assert report["first_difference"]["executor"] == "host"
    assert report["first_difference"]["expected"] != report["first_difference"]["actual"]


def test_a_crash_is_named_not_traced(work: Path) -> None:
    inside("build", "my-net.pt", "-o", "crash", cwd=work)
    source = work / "crash/lib/my_net/my_net.c"
    text, edits = re.subn(r"(, arena \+ \d+\);\n)\}", r"\1  arena[1 << 28] = 1;\n}", source.read_text(), count=1)
    assert edits == 1
    source.write_text(text)
    for executor in ("host", "arm"):
        done = inside("verify", "crash", "--data", "test.npz", "--on", executor, cwd=work)
        assert done.returncode == 6, done.stdout + done.stderr
        assert done.stderr.startswith("cpcc: warning")
        assert "Traceback" not in done.stderr
        assert "sample 0, node 0: " in done.stderr
    assert "pc 0x" in done.stderr
    assert "r12 0x" in done.stderr


def test_an_endless_loop_ends_at_the_time_limit(work: Path) -> None:
    inside("build", "my-net.pt", "-o", "loop", cwd=work)
    source = work / "loop/lib/my_net/my_net.c"
    source.write_text(
        source.read_text().replace(
            "_run(int8_t *arena) {", "_run(int8_t *arena) {\n  for (volatile int i = 0; i < 1;) {\n  }"
        )
    )
    for executor in ("host", "arm", "qemu"):
        if executor == "qemu" and not shutil.which("qemu-system-arm"):
            continue
        done = inside(
            "verify", "loop", "--data", "test.npz", "--on", executor, "--time-limit", 2, "--json", "loop.json", cwd=work
        )
        assert done.returncode == 6, done.stdout + done.stderr
        assert f"{executor}: sample 0, node run: " in done.stderr
        assert "still running after 2 s" in done.stderr
        assert executor == "host" or "pc 0x" in done.stderr
        report = json.loads((work / "loop.json").read_text())
        jsonschema.validate(report, schema("verify"))
        assert report["bit_exact"] is False


def test_labels_the_model_does_not_know(work: Path, tmp_path: Path) -> None:
    x, y = samples(20)
    np.savez(tmp_path / "d.npz", x=x, y=np.where(y == 1, 7, y))
    done = inside("verify", work / "build/my-net", "--data", "d.npz", cwd=tmp_path)
    assert_refused(done, 7)
    assert "sample 0 has label 7, the model's classes are 0, 1" in done.stderr


def test_seen_samples_mark_the_report(work: Path) -> None:
    """Verifying on the training data: every sample is known from training or calibration, and the report says so."""
    done = inside(
        "verify",
        "build/my-net",
        "--data",
        "train.npz",
        "--on",
        "reference",
        "--allow-fn",
        60,
        "--json",
        "seen.json",
        cwd=work,
    )
    assert "samples were used in training" in done.stderr
    caveats = json.loads((work / "seen.json").read_text())["caveats"]
    assert caveats["seen_in_training"] + caveats["seen_in_calibration"] == 300
    assert caveats["seen_in_calibration"] == 30


def test_explain_shows_every_node(work: Path) -> None:
    done = inside("verify", "build/my-net", "--data", "test.npz", "--explain", 7, cwd=work)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "sample 7"
    assert [line.split()[0] for line in lines[3:7]] == ["input", "0", "2", "4"]
    assert lines[7].startswith("float score")
    assert lines[8].startswith("fixed score")
    assert_refused(inside("verify", "build/my-net", "--data", "test.npz", "--explain", 300, cwd=work), 2)


def test_explain_compares_the_channels_that_were_kept(tmp_path: Path) -> None:
    """Hidden units 0 and 2 of four are dead: their weights behind are zero. The others are subtracted as they are."""
    from cpcc.models.exporting import export_module
    from cpcc.models.model_file import save_program

    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    with torch.no_grad():
        net[2].weight[0, [0, 2]] = 0.0
    save_program(tmp_path / "m.pt", export_module(net, (6,)))
    np.savez(tmp_path / "d.npz", **dict(zip("xy", samples(60))))
    assert inside("build", "m.pt", "--calibrate", "d.npz", "-o", "b", cwd=tmp_path).returncode == 0
    done = inside("verify", "b", "--data", "d.npz", "--explain", 5, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    hidden = next(line for line in done.stdout.splitlines() if line.endswith("2 of 4"))
    largest_error, steps = (float(word) for word in re.split(r"\s{2,}", hidden)[4:6])
    assert largest_error > 0 and steps < 2


def test_explain_compares_balanced_channels_with_balanced_ones(tmp_path: Path) -> None:
    """One hidden unit is a thousand times larger than the other, until equalization divides both."""
    from cpcc.models.exporting import export_module
    from cpcc.models.model_file import save_program

    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(6, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight[0] *= 1000.0
        net[2].weight[0, 0] /= 1000.0
    save_program(tmp_path / "m.pt", export_module(net, (6,)))
    np.savez(tmp_path / "d.npz", **dict(zip("xy", samples(60))))
    assert inside("build", "m.pt", "--calibrate", "d.npz", "--equalize", "-o", "b", cwd=tmp_path).returncode == 0
    done = inside("verify", "b", "--data", "d.npz", "--explain", 5, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()[3:6]]
    assert all(float(row[5]) < 2 for row in rows), done.stdout  # the largest error, in steps


def test_a_promised_rate(work: Path) -> None:
    """The header states it; too few positives, seen ones and two rules at once are refused; a bad streak contradicts it."""
    x, y = samples(2000, 5)
    np.savez(work / "unseen.npz", x=x, y=y)
    refused = inside("build", "my-net.pt", "--max-fnr", 0.02, "-o", "no", cwd=work)
    assert_refused(refused, 7)
    assert "needs at least 149 calibration positives, there are" in refused.stderr
    assert_refused(inside("build", "my-net.pt", "--max-fnr", 0.2, "--max-fpr", 0.2, "-o", "no", cwd=work), 2)
    assert_refused(inside("build", "my-net.pt", "--max-fnr", 0.2, "--threshold", 0.2, "-o", "no", cwd=work), 2)
    seen = inside("build", "my-net.pt", "--max-fnr", 0.1, "--threshold-data", "train.npz", "-o", "no", cwd=work)
    assert_refused(seen, 7)
    assert "were used to train" in seen.stderr
    assert not (work / "no").exists()
    done = inside(
        "build",
        "my-net.pt",
        "--max-fnr",
        0.05,
        "--threshold-data",
        "unseen.npz",
        "--threshold-table",
        "-o",
        "promise",
        cwd=work,
    )
    assert done.returncode == 0, done.stderr
    header = (work / "promise/lib/my_net/my_net.h").read_text()
    for text in (
        "at most alpha = 0.05",
        "delta = 0.05",
        "n = 400 calibration positives",
        "exchangeable",
        "sha256 ",
        "operating_points[MY_NET_OPERATING_POINTS]",
    ):
        assert text in header
    done = inside("verify", "promise", "--data", "test.npz", "--json", "promise.json", cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FNR agrees with the promise of at most 0.05" in done.stdout
    jsonschema.validate(json.loads((work / "promise.json").read_text()), schema("verify"))
    np.savez(work / "drift.npz", x=x[y == 1] - 3, y=y[y == 1])
    done = inside("verify", "promise", "--data", "drift.npz", "--on", "reference", cwd=work)
    assert done.returncode == 6
    assert "contradict the promised --max-fnr 0.05" in done.stderr


def test_a_miss_more_than_the_float_model_fails(work: Path) -> None:
    """Raise the integer threshold in the build's own state: verify lists the extra misses and exits 6."""
    from dataclasses import replace

    from cpcc.folder import open_build
    from cpcc.serialize import dump_detector

    inside("build", "my-net.pt", "-o", "strict", cwd=work)
    detector = open_build(work / "strict").detector
    (rule,) = detector.decisions
    worse = replace(detector, decisions=(replace(rule, threshold=rule.threshold + 30),))
    (work / "strict/.cpcc/detector.npz").write_bytes(dump_detector(worse))
    done = inside("verify", "strict", "--data", "test.npz", "--on", "reference", "--json", "strict.json", cwd=work)
    assert done.returncode == 6
    assert "DOES NOT MATCH" in done.stdout
    report = json.loads((work / "strict.json").read_text())
    jsonschema.validate(report, schema("verify"))
    assert report["fn_match"] is False
    assert report["classes"][0]["extra_misses"]


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


BAD_MODELS = {
    "missing": lambda p: None,
    "folder": lambda p: p.mkdir(),
    "empty": lambda p: _write(p, b""),
    "text": lambda p: _write(p, b"hello"),
    "pickle": lambda p: torch.save(torch.nn.Linear(2, 2), p),
    "state_dict": lambda p: torch.save(torch.nn.Linear(2, 2).state_dict(), p),
}


@pytest.mark.parametrize("kind", BAD_MODELS)
@pytest.mark.parametrize("command", ["build", "inspect"])
def test_bad_model_files(tmp_path: Path, kind: str, command: str) -> None:
    BAD_MODELS[kind](tmp_path / "m.pt")
    done = inside(command, "m.pt", cwd=tmp_path)
    assert_refused(done, 3)
    assert not (tmp_path / "build").exists()


def assert_refused(done: subprocess.CompletedProcess[str], code: int) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("cpcc: error: ")


def test_truncated_archive(work: Path, tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes((work / "my-net.pt").read_bytes()[:-400])
    assert_refused(inside("build", "m.pt", cwd=tmp_path), 3)


def test_unsupported_layer_is_named(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 1))
    from cpcc.models.exporting import export_module
    from cpcc.models.model_file import save_program

    program = export_module(torch.nn.Sequential(torch.nn.Linear(6, 1)), (6,))
    save_program(tmp_path / "ok.pt", program)
    torch.export.save(torch.export.export(net.eval(), (torch.zeros(1, 6),)), tmp_path / "m.pt")
    done = inside("inspect", "m.pt", cwd=tmp_path)
    assert_refused(done, 3)
    assert "layernorm" in done.stderr.lower()


X, Y = samples(50)
BAD_DATA = {
    "wrong shape": ({"x": X[:, :5], "y": Y}, 7),
    "wrong dtype": ({"x": (X * 10).astype(np.int16), "y": Y}, 7),
    "float64": ({"x": X.astype(np.float64), "y": Y}, 7),
    "NaN": ({"x": np.where(np.arange(6) == 2, np.nan, X).astype(np.float32), "y": Y}, 7),
    "infinity": ({"x": np.where(np.arange(6) == 2, np.inf, X).astype(np.float32), "y": Y}, 7),
    "no x": ({"y": Y}, 7),
    "lengths": ({"x": X, "y": Y[:-1]}, 7),
    "no samples": ({"x": X[:0], "y": Y[:0]}, 7),
    "objects": ({"x": np.array([object()] * 3), "y": Y[:3]}, 7),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data(work: Path, tmp_path: Path, kind: str) -> None:
    arrays, code = BAD_DATA[kind]
    np.savez(tmp_path / "bad.npz", **arrays, allow_pickle=True)
    done = inside("verify", work / "build/my-net", "--data", "bad.npz", "--json", "v.json", cwd=tmp_path)
    assert_refused(done, code)
    assert not (tmp_path / "v.json").exists()


def test_data_files_that_are_none(work: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_bytes(b"hello")
    for name in ("missing", "folder", "empty", "text"):
        assert_refused(inside("verify", work / "build/my-net", "--data", f"{name}.npz", cwd=tmp_path), 7)


def test_labels_of_one_class_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=np.zeros_like(Y))
    assert_refused(inside("prune", "mlp", "--data", "d.npz", "--positive", 1, cwd=tmp_path), 7)
    assert not (tmp_path / "build").exists()


def test_unknown_target_names_the_known_ones(work: Path) -> None:
    done = inside("build", "my-net.pt", "--target", "esp32", "-o", "nowhere", cwd=work)
    assert_refused(done, 2)
    assert "cortex-m0plus" in done.stderr
    assert not (work / "nowhere").exists()


def test_foreign_output_folder_is_left_alone(work: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("important")
    assert_refused(inside("build", work / "my-net.pt", "-o", "mine", cwd=tmp_path), 2)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_too_large_for_the_target(tmp_path: Path) -> None:
    """A dense layer of 90,000 weights does not fit 64 KiB: the message names layer, need and limit."""
    net = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.ReLU(), torch.nn.Linear(300, 1))
    torch.save(net.state_dict(), tmp_path / "w.pt")
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Linear(300, 300), nn.ReLU(), nn.Linear(300, 1))\n"
    )
    np.savez(tmp_path / "c.npz", x=np.random.default_rng(0).normal(0, 1, (20, 300)).astype(np.float32))
    inside("export", "net.py:make", "--weights", "w.pt", "--input-shape", "300", "-o", "m.pt", cwd=tmp_path)
    done = inside("build", "m.pt", "--calibrate", "c.npz", "--target", "stm32f103", cwd=tmp_path)
    assert_refused(done, 4)
    assert "stm32f103 has 65,536" in done.stderr
    assert not (tmp_path / "build").exists() or not any((tmp_path / "build").iterdir())


def test_not_a_build_folder(tmp_path: Path) -> None:
    for command in (("verify", ".", "--data", "x.npz"), ("profile", ".")):
        done = inside(*command, cwd=tmp_path)
        assert done.returncode in (2, 7)
        assert "Traceback" not in done.stderr


def test_targets_and_version() -> None:
    done = cpcc("targets", cwd=Path.cwd())
    assert done.returncode == 0
    for name in ("stm32", "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "host"):
        assert name in done.stdout
    assert cpcc("--version", cwd=Path.cwd()).stdout.startswith("cpcc, version")


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m7", "host"])
def test_other_targets_build_and_verify(work: Path, target: str) -> None:
    done = inside("build", "my-net.pt", "--target", target, "--name", "int", "-o", f"out-{target}", cwd=work)
    assert done.returncode == 0, done.stderr
    done = inside("verify", f"out-{target}", "--data", "test.npz", "--allow-fn", 5, cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ctrl_c_exits_130_and_leaves_nothing(tmp_path: Path) -> None:
    # a shell's background job ignores Ctrl-C, and so would what it starts
    listening = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    start = f"{listening}; runpy.run_module('cpcc.cli', run_name='__main__')"
    command = [sys.executable, "-c", start, "demo", "-o", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # training has begun
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.strip() == "cpcc: interrupted"
    assert not list(tmp_path.rglob("*.*"))


def test_prune_defaults_are_the_librarys() -> None:
    """The command line repeats the pruner's defaults, so that --help need not import torch; they must not drift."""
    from cpcc.cli.prune import command
    from cpcc.prune.settings import PruneSettings

    defaults = {p.name: p.default for p in command.params}
    for name in (
        "keep", "loss", "rank", "score", "scope", "schedule", "rewind", "max_fpr_increase", "seed", "lr", "batch_size", "floor",
    ):  # fmt: skip
        assert defaults[name] == getattr(PruneSettings(), name), name
    assert float(defaults["pos_weight"]) == PruneSettings().pos_weight
