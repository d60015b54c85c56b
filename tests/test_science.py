"""The evidence's runner, tables and converters, on data small enough for seconds."""

import gzip
import json

import numpy as np
import pytest
from bench.science import cells, convert, run, table
from bench.science.ablation_table import ablation_rows
from bench.science.arms import ARMS, settings_of
from bench.science.budget_table import budget_rows
from bench.science.run import Trial, done, missing, run_trial
from bench.science.sets import Sides
from bench.science.structure_table import structure_rows
from scipy.io import wavfile

from cpcc.data import make_dataset


def tiny():
    random = np.random.default_rng(0)
    y = (np.arange(240) % 4 == 0).astype(np.int64)
    x = (random.normal(size=(240, 8)) + 2 * y[:, None]).astype(np.float32)
    return Sides(make_dataset(x[:160], y[:160]), make_dataset(x[160:], y[160:]))


def test_a_trial_has_every_level_and_test_figures(monkeypatch, tmp_path):
    monkeypatch.setitem(run.SETS, "tiny", tiny)
    monkeypatch.setattr(run, "settings_of", lambda arm, seed: [quick(each) for each in settings_of(arm, seed)])
    trials = [Trial("tiny", arm, 0) for arm in ("blind", "constrained", "one-shot")]
    cuts = {"0.1", "0.02"}
    lines = [run_trial(trial, missing(trial, set(), cuts), "cpu") for trial in trials]
    assert list(lines[0]["levels"]) == ["1", "0.5", "0.25", "0.1", "0.05", "0.02", "0.01"]
    assert list(lines[2]["levels"]) == ["1", "0.1", "0.02"]
    assert lines[0]["levels"]["1"]["positives"] == 20
    path = tmp_path / "trials.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"data": "torn')
    found = done(path)
    assert found == {trial: set(line["levels"]) for trial, line in zip(trials, lines)}
    assert [len(missing(trial, found[trial], cuts)) for trial in trials] == [0, 0, 0]
    assert [run.levels for run in missing(trials[2], found[trials[2]], cuts | {"0.5"})] == [(1.0, 0.5)]
    page = table.markdown(*cells.load(path))
    assert "| 10% | constrained | 1 |" in page


def test_a_trial_that_collapsed_is_not_run_again():
    assert missing(Trial("speech", "blind", 3), {"1", "0.5"}, {"0.02"}) == []


def quick(settings):
    from dataclasses import replace

    return replace(settings, epochs=2, epochs_later=1)


def test_the_papers_arm_weighs_by_the_class_ratio():
    """The product's default became 1, and the arm, which relied on it, silently lost its weight."""
    assert all(settings.pos_weight is None for settings in settings_of("paper", seed=0))


def test_arms_differ_from_the_baseline_in_loss_score_and_schedule_alone():
    allowed = {"loss", "rank", "rank_weight", "pos_weight", "distill", "max_fn_increase", "score", "levels", "rewind"}
    structures = {"structure", "weights"}
    blind = settings_of("blind", 3)[0]
    for arm in ARMS:
        for settings in settings_of(arm, 3):
            changed = {name for name in vars(blind) if getattr(blind, name) != getattr(settings, name)}
            assert changed <= allowed | structures, (arm, changed)
            assert not changed & structures or arm.startswith("constrained-")
            assert "rewind" not in changed or arm == "snip"  # SNIP prunes before training


def test_intervals():
    found = cells.interval([1.0, 2.0, 3.0])
    assert found.mean == 2 and found.half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert not found.excludes_zero()
    assert cells.interval([1.0, 1.1, 0.9]).excludes_zero()
    assert not cells.interval([1.0, 1.0]).excludes_zero(), "two seeds prove nothing"


def test_the_strongest_baseline_is_the_best_that_has_not_collapsed():
    def cell(fnr, auc=0.9):
        return {seed: {"fnr_at_0.05": fnr, "auc": auc} for seed in range(3)}

    found = {("s", "blind", "0.1"): cell(0.4), ("s", "snip", "0.1"): cell(0.2), ("s", "random", "0.1"): cell(0.1, 0.5)}
    assert cells.strongest(found, "s", "0.1", "fnr_at_0.05") == "snip"


def figures(fn, within=True, fnr=0.0):
    return {
        "fn": fn,
        "fp": 9,
        "positives": 20,
        "within_budget": within,
        "remaining": 0.1,
        "fnr_at_0.05": fnr,
        "auc": 0.9,
    }


def test_the_budgets_table_counts_seeds_within_the_dense_networks_interval():
    """One miss of 20 has a 95 % upper end of 24.9 %: 4 misses are within, 5 (above 4.97) are not."""
    found = {
        ("s", "constrained", "1"): {seed: figures(1) for seed in range(3)},
        ("s", "constrained", "0.1"): {0: figures(4), 1: figures(5, within=False), 2: figures(0)},
    }
    _, rows = budget_rows(found)
    assert rows == [["s", "constrained", "1.0 (5.0) of 20", "3.0", "2 of 3", "9.0", "9.0", "2 of 3", "2.0"]]


def test_structures_are_compared_seed_by_seed_with_single_weights():
    found = {
        ("s", "constrained", "0.1"): {seed: figures(1, fnr=0.1 * seed) for seed in range(3)},
        ("s", "constrained-blocks", "0.1"): {seed: figures(2, fnr=0.1 * seed + 0.05) for seed in range(3)},
        ("other", "constrained", "0.1"): {0: figures(1)},
    }
    _, rows = structure_rows(found)
    assert [row[:3] for row in rows] == [["s", "10%", "single weights"], ["s", "10%", "1x4 blocks"]]
    assert rows[1][7] == "**0.050 ±0.000**"


def test_the_class_weight_alone_is_a_baseline_seed_by_seed():
    found = {
        ("s", "weighted", "0.1"): {seed: {**figures(4, fnr=0.1 * seed), "fn_half": 4} for seed in range(4)},
        ("s", "paper", "0.1"): {seed: {**figures(2, fnr=0.1 * seed - 0.05), "fn_half": 2} for seed in range(3)},
        ("s", "paper", "0.02"): {0: figures(1)},  # beside no baseline
        ("other", "paper", "0.1"): {0: figures(1)},
    }
    for cell in found.values():
        for each in cell.values():
            each["fnr_at_0.1"] = each["fnr_at_0.05"]
    _, rows = ablation_rows(found)
    assert [row[:6] for row in rows] == [["s", "10%", "paper", "3", "2.0", "4.0"]]
    assert rows[0][6] == rows[0][7] == "**-0.050 ±0.000**" and rows[0][8] == "0.000 ±0.000"


def test_fashion_from_idx_files(tmp_path):
    for name, count in (("train", 5), ("t10k", 3)):
        images = np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2)
        labels = np.array([6, 0, 6, 1, 2], np.uint8)[:count]
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            with gzip.open(tmp_path / f"{name}-{kind}-ubyte.gz", "wb") as file:
                file.write(header + values.tobytes())
    arrays = convert.fashion(tmp_path)
    assert arrays["x"].shape == (8, 1, 2, 2) and arrays["x"][1, 0, 0, 0] == 4
    assert arrays["y"].tolist() == [1, 0, 1, 0, 0, 1, 0, 1]
    assert arrays["split"].tolist() == [0] * 5 + [1] * 3


def test_speech_from_wav_files(tmp_path):
    time = np.arange(8000) / 8000
    for name, pitch in (("7_ann_0", 300), ("1_bob_0", 3000)):
        wavfile.write(tmp_path / f"{name}.wav", 8000, (8000 * np.sin(2 * np.pi * pitch * time)).astype(np.int16))
    arrays = convert.speech(tmp_path)
    assert arrays["x"].shape == (2, 1, 49, 20) and arrays["x"].dtype == np.uint8
    assert arrays["y"].tolist() == [0, 1] and arrays["speakers"].tolist() == ["ann", "bob"]
    high, low = arrays["x"][:, 0].mean(axis=1).argmax(axis=1)
    assert high > low, "a higher tone lies in a higher band"


def test_falls_from_csv_trials(tmp_path):
    def write(name, peak):
        rows = ["% ID; 4; WAIST; x"]
        for i in range(100):
            rows += [
                f"{i * 50};{i};{5 if i == peak else 1};0;0;0;4",
                f"{i * 50};{i};1;2;3;1;4",
                f"{i * 50};{i};9;9;9;0;1",
            ]
        (tmp_path / name).write_text("\n".join(rows))

    write("UMAFall_Subject_01_Fall_x.csv", 60)
    write("UMAFall_Subject_01_ADL_x.csv", -1)
    arrays = convert.falls(tmp_path)
    assert arrays["x"].shape == (3, 6, 64)  # 5 s: one window of the fall, two of the other
    assert arrays["y"].tolist() == [0, 0, 1] and arrays["trial"].tolist() == [0, 0, 1]
    assert abs(int(arrays["x"][2, 0].argmax()) - 32) <= 1
