"""`cpcc prune` under a budget, interrupted, and with options that cannot be."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cpcc.cli import cli
from cpcc.cli import main as cli_main


@pytest.fixture
def data(tmp_path):
    random = np.random.default_rng(0)
    y = np.arange(300) % 2
    x = random.normal(size=(300, 8)) + 2 * np.eye(8)[y]
    np.savez(tmp_path / "d.npz", x=x.astype(np.float32), y=y)
    return str(tmp_path / "d.npz")


def prune(data, output, *more):
    return CliRunner().invoke(
        cli, ["prune", "mlp", "--data", data, "--positive", "1", "--epochs", "4", "--quiet", "-o", str(output), *more]
    )


def test_metrics_stay_and_the_checkpoint_goes(data, tmp_path):
    done = prune(data, tmp_path / "m.pt", "--max-fn-increase", "2", "--max-fpr-increase", "0.5")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "m.pt").exists()
    assert sorted(path.name for path in (tmp_path / "m.run").glob("*.*")) == [
        "class-blind.jsonl",
        "class-dependent.jsonl",
    ]
    lines = [json.loads(line) for line in (tmp_path / "m.run" / "class-dependent.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(5))
    assert lines[-1]["at_threshold"]["validation"]["fn"] <= lines[0]["at_threshold"]["validation"]["fn"] + 2


def test_without_the_class_blind_run(data, tmp_path):
    """The other arm's networks are the same, and what follows takes the file."""
    both, alone = (prune(data, tmp_path / f"{name}.pt", *more) for name, more in (("a", ()), ("b", ("--no-baseline",))))
    assert alone.exit_code == 0 and "class-blind" not in alone.output and "class-blind" in both.output, alone.output
    assert [path.name for path in (tmp_path / "b.run").glob("*.*")] == ["class-dependent.jsonl"]
    of = (tmp_path / f"{name}.run" / "class-dependent.jsonl" for name in "ab")
    assert len({path.read_text() for path in of}) == 1
    built = CliRunner().invoke(cli, ["build", str(tmp_path / "b.pt"), "-o", str(tmp_path / "built")])
    assert built.exit_code == 0, built.output
    page = CliRunner().invoke(cli, ["report", str(tmp_path / "built"), "--data", data])
    html = (tmp_path / "built" / "report.html").read_text()
    assert page.exit_code == 0 and "class-dependent pruning" in html and "class-blind" not in html, page.output


def test_an_interrupted_run_asks_for_resume_and_ends_the_same(data, tmp_path, monkeypatch):
    import cpcc.training

    whole = prune(data, tmp_path / "a.pt")
    real = cpcc.training.save_result

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cpcc.training, "save_result", killed)
    assert prune(data, tmp_path / "b.pt").exit_code != 0
    monkeypatch.setattr(cpcc.training, "save_result", real)
    again = prune(data, tmp_path / "b.pt")
    assert "give --resume" in str(again.exception)
    resumed = prune(data, tmp_path / "b.pt", "--resume")
    assert resumed.output.replace("b.pt", "a.pt") == whole.output
    assert (tmp_path / "a.run" / "class-blind.jsonl").read_text() == (
        tmp_path / "b.run" / "class-blind.jsonl"
    ).read_text()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--device", "warp"], 2, "device warp: not available here; use cpu"),
        (["--important", "x=1"], 2, "--important x=1: give LABEL or LABEL=BUDGET"),
        (["--important", "0"], 7, "need a network with an output per class"),
        (["--max-fn-increase", "1", "--fnr-budget", "0.1"], 2, "give one of the two"),
    ],
)
def test_impossible_options_are_one_line(data, tmp_path, capsys, monkeypatch, options, code, message):
    argv = ["cpcc", "prune", "mlp", "--data", data, "--positive", "1", "-o", str(tmp_path / "m.pt"), *options]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit) as exit:
        cli_main()
    assert exit.value.code == code
    error = capsys.readouterr().err
    assert error.startswith("cpcc: error: ") and message in error and error.count("\n") == 1
    assert not (tmp_path / "m.pt").exists()


def test_the_class_weight_reaches_the_run_and_its_file(data, tmp_path):
    from cpcc.models.model_file import load_model

    for word, kept in (("ratio", None), ("2.5", 2.5)):
        done = prune(data, tmp_path / f"{word}.pt", "--pos-weight", word, "--lr", "0.002", "--floor", "1")
        assert done.exit_code == 0, done.output
        settings = load_model(tmp_path / f"{word}.pt").meta.settings
        assert settings["pos_weight"] == kept and settings["lr"] == 0.002 and settings["floor"] == 1


def test_a_class_weight_that_is_none(data, tmp_path):
    done = prune(data, tmp_path / "m.pt", "--pos-weight", "heavy")
    assert done.exit_code == 2 and "give a number above 0, or ratio" in done.output
    done = prune(data, tmp_path / "m.pt", "--pos-weight", "-1")
    assert "pos-weight -1.0" in str(done.exception)
