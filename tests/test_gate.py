"""The gate: what fails against a baseline, and that CI servers can read why."""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from cpcc.errors import DataError
from cpcc.proof import gate


def report(*labels: int, **changes: Any) -> dict[str, Any]:
    """A report as `verify --json` writes it, with one rung, of the important classes `labels` (one, where none are named);
    `changes` go to its parts by ``part__key``, misses of the last class to ``fn``."""
    labels = labels or (1,)
    counts = {
        "tp": 90,
        "fp": 5,
        "fn": 10,
        "tn": 95,
        "fnr": 0.1,
        "fpr": 0.05,
        "fnr_interval": [0.05, 0.18],
        "fpr_interval": [0.02, 0.12],
    }
    found: dict[str, Any] = {
        "schema": "cpcc-verify-2", "samples": 200, "executors": ["reference", "host"], "bit_exact": True, "passed": True,
        "failure": "", "fn_match": True, "data_sha256": "d",
        "classes": [{"label": label, "fn_match": True, "promise": None, "fixed": {**counts}, "float": {**counts}} for label in labels],
        "rungs": [{"name": "host", "samples": 200, "values_compared": 9, "difference": None, "failure": "", "note": ""}],
        "cost": {"flash_bytes": 1000, "ram_bytes": 64, "instructions": 50_000, "stack_bytes": 48},
        "caveats": {"seen_in_training": 0, "seen_in_calibration": 0, "changed_files": []},
    }  # fmt: skip
    if "fn" in changes:
        found["classes"][-1]["fixed"]["fn"] = changes.pop("fn")
    for place, value in changes.items():
        part, _, key = place.partition("__")
        found[part] = {**found[part], key: value} if key else value
    return found


@pytest.mark.parametrize(
    ("change", "allowed", "worse"),
    [
        ({}, 0, []),
        ({"fn": 11}, 0, ["false negatives"]),
        ({"fn": 11}, 0.1, []),
        ({"cost__flash_bytes": 1020, "cost__instructions": 51_001}, 0.02, ["instructions"]),
        ({"cost__ram_bytes": 72}, 0.02, ["RAM, bytes"]),
        ({"fn": 3, "cost__flash_bytes": 500}, 0, []),
        ({"cost": None}, 0.02, ["flash, bytes", "RAM, bytes", "instructions"]),
    ],
)
def test_worse_than_the_baseline(change: dict[str, Any], allowed: float, worse: list[str]) -> None:
    figures = gate.compare(report(**change), report(), allowed)
    assert [f.name for f in figures if f.worse] == worse
    assert len(gate.regressions(figures, allowed)) == len(worse)


def test_no_misses_before_means_none_now() -> None:
    """A share of nothing is nothing: one miss where the baseline had none fails whatever is allowed."""
    figures = gate.compare(report(fn=1), report(fn=0), 0.5)
    assert [f.change for f in figures if f.worse] == ["+1"]


def test_without_a_baseline_nothing_is_worse() -> None:
    assert not any(f.worse for f in gate.compare(report(), None, 0))


def test_junit_has_a_case_for_every_check() -> None:
    difference = {"sample": 3, "node": "fc<1>", "index": [2], "expected": 5, "actual": 6}
    found = report(bit_exact=False, passed=False, fn_match=False, caveats__changed_files=["lib/x.c"])
    found["classes"][0]["fn_match"] = False
    found["rungs"].append({**copy.deepcopy(found["rungs"][0]), "name": "arm", "difference": difference})
    figures = gate.compare(found, report(cost__flash_bytes=10), 0.02)
    root = ET.fromstring(gate.junit("net", found, figures, 0.02))
    cases = {case.get("name"): case.find("failure") for case in root.iter("testcase")}
    assert [name for name, failure in cases.items() if failure is not None] == [
        "reference = arm", "false negatives", "baseline: flash, bytes",
    ]  # fmt: skip
    assert cases["reference = host"] is None
    failure = cases["reference = arm"]
    assert failure is not None
    assert failure.get("message") == "sample 3, node fc<1>, index [2]: expected 5, got 6"
    assert root.get("failures") == "3"
    assert "lib/x.c" in (root.findtext(".//system-out") or "")


def test_every_important_class_is_counted_by_itself() -> None:
    """A class may not pay for another: fewer misses of 3 do not make up for more of 5."""
    before = report(3, 5)
    now = report(3, 5, fn=11)
    now["classes"][0]["fixed"]["fn"] = 2
    now["classes"][1]["fn_match"] = False
    figures = gate.compare(now, before, 0)
    assert [f.name for f in figures if f.worse] == ["false negatives, class 5"]
    root = ET.fromstring(gate.junit("net", now, figures, 0))
    failed = [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert failed == ["false negatives, class 5", "baseline: false negatives, class 5"]
    said = root.findtext(".//system-out") or ""
    assert "misses 2 of 92 positives of class 3" in said
    assert "| 5 | 11 of 101 | 10.00 %, 5.00 to 18.00 % | 5 of 100 | 5.00 %, 2.00 to 12.00 % |" in said


def test_a_class_that_vanished_is_worse() -> None:
    figures = gate.compare(report(3), report(3, 5), 0)
    assert {f.name for f in figures if f.worse} == {"false negatives, class 3", "false negatives, class 5"}


def test_summary_is_a_table_of_the_figures() -> None:
    text = gate.summary("net", report(), gate.compare(report(), report(cost__instructions=40_000), 0.02))
    assert "### cpcc verify net: **FAILED**" in text
    assert "| instructions | 50,000 | 40,000 | +25.0 % **worse** |" in text
    assert "| false negatives | 10 | 10 | +0.0 % |" in text
    assert "| 1 | 10 of 100 | 10.00 %, 5.00 to 18.00 % | 5 of 100 | 5.00 %, 2.00 to 12.00 % |" in text


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "other", "data_sha256": "d"}', json.dumps(report(data_sha256="e"))]
)
def test_baselines_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "old.json").write_text(text)
    with pytest.raises(DataError, match=r"old\.json: "):
        gate.read_baseline(tmp_path / "old.json", report())
