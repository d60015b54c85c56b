"""What a user reads where something is off, and where it is told: before the work, with what the file does hold."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
import torch
from torch import nn

from commandline import inside
from cpcc.cli.common import BYTES
from cpcc.data import load_dataset, make_dataset, split
from cpcc.detector import Decision
from cpcc.errors import DataError, ModelError
from cpcc.html_report import charts
from cpcc.import_data import import_images
from cpcc.models.exporting import export_module, read_state_dict
from cpcc.models.known_labels import check_labels
from cpcc.proof.verify import FloatScores, Report, class_report
from cpcc.report import evaluations

NETS = """
from torch import nn
def plain(): return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
def three(): return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
def normed(): return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 1))
"""
PRUNE = ("--data", "train.npz", "--positive", 1, "--epochs", 3, "--keep", 0.5, "--quiet", "-o", "net.pt")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with networks, data and a build."""
    folder = tmp_path_factory.mktemp("messages")
    (folder / "nets.py").write_text(NETS)
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = (rng.normal(0, 1, (200, 6)) + 2 * y[:, None]).astype(np.float32)
    for name, rows in (("train", slice(0, 160)), ("test", slice(160, 200))):
        np.savez(folder / f"{name}.npz", x=x[rows], y=y[rows])
    for words in (("prune", "nets.py:plain", *PRUNE), ("build", "net.pt", "-o", "built")):
        done = inside(*words, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def refused(folder: Path, code: int, message: str, *words: object) -> None:
    done = inside(*words, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stderr, done.stderr


@pytest.mark.parametrize(("text", "size"), [("65536", 65536), ("64k", 65536), ("64KiB", 65536), ("1M", 2**20)])
def test_sizes(text: str, size: int) -> None:
    assert BYTES.convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "64g", "0.5k", "k", "6 4", "10000000000000000"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="give bytes, such as 65536 or 64k"):
        BYTES.convert(text, None, None)


def test_a_layer_that_cannot_be_compiled_is_told_before_training(work: Path) -> None:
    words = [word if word != "net.pt" else "normed.pt" for word in PRUNE]
    refused(work, 3, "aten.layer_norm is not supported", "prune", "nets.py:normed", *words)
    assert not (work / "normed.run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--important", "0=2", "--max-fn-increase", 1), "important 0: budget 2: out of range; give a rate from 0 to 1"),
        (("--important", "0=nan", "--max-fn-increase", 1), "important 0: budget nan: out of range"),
        (("--important", "0=0.1"), "--important LABEL=BUDGET: counts together with --max-fn-increase"),
    ],
)  # fmt: skip
def test_budgets(work: Path, words: tuple[object, ...], message: str) -> None:
    refused(work, 2, message, "prune", "nets.py:three", *PRUNE, *words)


def test_nothing_to_resume(work: Path) -> None:
    words = [word if word != "net.pt" else "fresh.pt" for word in PRUNE]
    done = inside("prune", "nets.py:plain", *words, "--resume", cwd=work)
    assert done.returncode == 0 and "fresh.run holds no checkpoint; beginning anew" in done.stderr, done.stderr


def test_an_interrupted_run_says_how_it_goes_on(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cpcc.training.save_result", killed)
    words = [word if word != "net.pt" else "cut.pt" for word in PRUNE]
    refused(work, 130, "cut.run holds a checkpoint; the same command with --resume", "prune", "nets.py:plain", *words)


def test_labels_that_the_model_does_not_know(work: Path) -> None:
    with np.load(work / "train.npz") as old:
        np.savez(work / "doubled.npz", x=old["x"], y=2 * old["y"])
    message = "sample 1 has label 2, the model's classes are 0, 1"
    refused(work, 7, message, "build", "net.pt", "--calibrate", "doubled.npz", "-o", "no")
    refused(work, 7, message, "verify", "built", "--data", "doubled.npz")
    assert not (work / "no").exists()
    check_labels(np.array([7]), 1, None)  # one logit and nothing known of its training
    with pytest.raises(DataError, match="sample 1 has label 3"):
        check_labels(np.array([2, 3]), 3, None)


@pytest.mark.parametrize("labels", [False, True])
def test_misses_that_were_not_counted_are_not_proved(work: Path, labels: bool) -> None:
    with np.load(work / "test.npz") as old:
        rows = old["y"] == 0
        np.savez(work / "negatives.npz", x=old["x"][rows], **({"y": old["y"][rows]} if labels else {}))
    words = ("verify", "built", "--data", "negatives.npz", "--on", "reference,host")
    done = inside(*words, cwd=work)
    warning = "the data have no sample labelled 1: its misses were not counted"
    assert done.returncode == 0 and f"cpcc: warning: {warning}" in done.stderr, done.stderr
    assert "matches" not in done.stdout
    assert ("nothing to compare" in done.stdout) == labels
    refused(work, 6, warning, *words, "--strict")
    page = inside("report", "built", cwd=work)
    assert page.returncode == 0 and ("there is no positive to miss" in page.stdout) == labels, page.stdout + page.stderr


def test_samples_to_run(work: Path) -> None:
    with np.load(work / "test.npz") as data:
        np.save(work / "x.npy", data["x"])
    for name in ("x.npy", "test.npz"):
        done = inside("run", "built", "--input", name, "-o", f"{name}.out", cwd=work)
        assert done.returncode == 0, done.stderr
    assert (work / "x.npy.out").read_bytes() == (work / "test.npz.out").read_bytes()
    (work / "x.csv").write_text("1,2,3\n")
    done = inside("run", "built", "--input", "x.csv", "-o", "y.npy", cwd=work)
    assert (done.returncode, done.stderr) == (
        7, "cpcc: error: x.csv: not a .npy file; save samples with numpy.save\n",
    )  # fmt: skip


def test_folders_for_files(work: Path) -> None:
    refused(work, 3, ".: is a folder; give a model file", "build", ".")
    with pytest.raises(DataError, match="no such folder"):
        import_images(work / "absent", (8, 8), gray=True)


def test_arrays_of_other_names(work: Path) -> None:
    np.savez(work / "named.npz", X=np.zeros((3, 2), np.float32), Y=np.arange(3))
    with pytest.raises(DataError, match="no array named x; the file holds X, Y"):
        load_dataset(work / "named.npz")


def test_a_class_that_the_data_do_not_have() -> None:
    data = make_dataset(np.zeros((40, 2), np.float32), np.arange(40) % 2)
    with pytest.raises(DataError, match=r"train split: no sample of the important class 5; the labels are 0, 1"):
        split(data, 0, positive=5)


def test_export_fails_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    class Wrong(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.transpose(1, 2)

    with pytest.raises(ModelError, match="cannot be exported"):
        export_module(Wrong(), (7,))
    assert "Traceback" not in capfd.readouterr().err
    torch.save({"model": {}, "epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(ModelError, match=r"is no state_dict \(it holds model, epoch\)"):
        read_state_dict(tmp_path / "checkpoint.pth")


@pytest.mark.parametrize("shape", [(6,), (6, 64), (1, 16, 16), (3, 16, 16), (5, 2, 9)])
def test_a_sample_of_any_shape_is_drawn(shape: tuple[int, ...]) -> None:
    raw = np.random.default_rng(0).integers(-99, 99, shape).astype(np.int16)
    assert charts.sample(raw, raw.astype(np.float32), "s").startswith("<svg")


@pytest.mark.parametrize(("dense", "name"), [(None, "float "), (np.array([1.0, -1.0]), "float pruned ")])
def test_a_model_that_nobody_pruned_is_not_called_so(dense: np.ndarray | None, name: str) -> None:
    positive, fixed = np.array([True, False]), np.array([3, -3])
    decision = Decision(0, 1, 0, 0.0, 1.0, 1)
    found = class_report(positive, FloatScores(np.array([1.0, -1.0]), 0.0, dense, 0.0), fixed, decision)
    assert found.float_pruned is not None and found.fn_match(0)
    rows = evaluations(Report(2, ["reference"], 0, None, 0, (found,))).splitlines()
    assert any(row.startswith(name) for row in rows) and found.transitions[-1].before == name.strip()


def test_a_baseline_that_is_none_is_told_before_the_work(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def worked(*_: object) -> None:
        raise AssertionError("the verification ran")

    monkeypatch.setattr("cpcc.cli.verify.run_verify", worked)
    words = ("verify", "built", "--data", "test.npz", "--baseline", "nets.py")
    refused(work, 7, "nets.py: no report of cpcc verify --json", *words)


@pytest.mark.parametrize(
    ("where", "message"), [("/proc/none/r.json", "r.json: cannot be written"), (".", ".: is a folder; give a file")]
)
def test_a_report_that_cannot_be_written_is_told_before_the_work(work: Path, where: str, message: str) -> None:
    before = sorted(work.iterdir())
    refused(work, 2, message, "build", "none.pt", "-o", "never", "--json", where)
    refused(work, 2, message, "verify", "none", "--data", "none.npz", "--summary", where)
    assert sorted(work.iterdir()) == before


def test_the_next_command_is_quoted_where_the_shell_needs_it(work: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1)).state_dict(), work / "my weights.pt")
    words = ("--weights", "my weights.pt", "--input-shape", "6", "-o", "my net.pt")
    done = inside("export", "nets.py:plain", *words, cwd=work)
    assert "next: cpcc build 'my net.pt' --calibrate" in done.stdout, done.stderr
    refused(work, 2, "'-', '_' or '.', beginning with a letter or digit (--name)", "build", "my net.pt")
    done = inside("build", "my net.pt", "--name", "n", "--calibrate", "train.npz", "-o", "my build", cwd=work)
    assert "next: cpcc verify 'my build' --data test.npz" in done.stdout, done.stderr
    refused(
        work, 3, "use: cpcc export NET --weights 'my weights.pt' --input-shape", "build", "my weights.pt", "--name", "n"
    )


def test_torchscript_as_weights_is_one_line(work: Path) -> None:
    with pytest.warns(DeprecationWarning):  # torch's own, of its old format
        torch.jit.save(torch.jit.trace(nn.Linear(6, 1), torch.zeros(1, 6)), work / "script.pt")
    done = inside("export", "nets.py:plain", "--weights", "script.pt", "--input-shape", "6", "-o", "x.pt", cwd=work)
    assert done.returncode == 3
    assert done.stderr.startswith("cpcc: error: script.pt is no plain state_dict"), done.stderr
