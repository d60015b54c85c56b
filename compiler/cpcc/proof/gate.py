"""The verification as a gate: an older report as the baseline, JUnit for CI servers, a Markdown table for reviewers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpcc.errors import DataError
from cpcc.proof.verdict import class_line, headline
from cpcc.proof.verify import SCHEMA

COSTS = (("flash, bytes", "flash_bytes"), ("RAM, bytes", "ram_bytes"), ("instructions", "instructions"))


@dataclass(frozen=True)
class Figure:
    """One figure now and in the baseline (None where it is unknown there); `worse` beyond what is allowed."""

    name: str
    now: int | None
    before: int | None
    worse: bool

    @property
    def change(self) -> str:
        if self.now is None or self.before is None:
            return "-"
        if not self.before:
            return "0" if not self.now else f"+{self.now:,}"
        return f"{100 * (self.now - self.before) / self.before:+.1f} %"


def open_baseline(path: Path) -> dict[str, Any]:
    """An older ``verify --json``. Raises `DataError` where it is none."""
    try:
        baseline = json.loads(path.read_text())
        if baseline["schema"] != SCHEMA:
            raise DataError(f"{path}: schema {baseline['schema']}, this cpcc writes {SCHEMA}; make it again")
        if "data_sha256" not in baseline:
            raise KeyError("data_sha256")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no report of cpcc verify --json ({error}); make one on the main branch") from error
    return dict(baseline)


def read_baseline(path: Path, report: dict[str, Any]) -> dict[str, Any]:
    """The older report, of the same data as `report`. Raises `DataError`."""
    baseline = open_baseline(path)
    if baseline["data_sha256"] != report["data_sha256"]:
        raise DataError(f"{path}: is of other data; make the baseline again with the data used now")
    return baseline


def _counted(report: dict[str, Any] | None) -> dict[str, int | None]:
    """The figures of a report by name: misses per important class, and what the model costs."""
    if report is None:
        return {}
    misses = {_misses(each, report): each["fixed"]["fn"] for each in report["classes"]}
    cost = report["cost"] or {}
    return {**(misses or {"false negatives": None}), **{name: cost.get(key) for name, key in COSTS}}


def _misses(found: dict[str, Any], report: dict[str, Any]) -> str:
    return f"false negatives, class {found['label']}" if len(report["classes"]) > 1 else "false negatives"


def compare(report: dict[str, Any], baseline: dict[str, Any] | None, allowed: float) -> list[Figure]:
    """The counted figures; one is `worse` where it exceeds its baseline by more than the share `allowed`, or vanished."""
    now, before = _counted(report), _counted(baseline)
    found = []
    for name in {**now, **before}:  # in the report's order, then what only the baseline had
        new, old = now.get(name), before.get(name)
        found.append(Figure(name, new, old, old is not None and (new is None or new > old * (1 + allowed))))
    return found


def regressions(figures: list[Figure], allowed: float) -> list[str]:
    """One line per figure that is worse."""
    return [
        f"{f.name}: {'not measured' if f.now is None else f'{f.now:,}'}, baseline {f.before:,} ({f.change}; {100 * allowed:g} % allowed)"
        for f in figures
        if f.worse
    ]


def _cases(report: dict[str, Any], figures: list[Figure], allowed: float) -> list[tuple[str, str]]:
    """(name, why it failed or "") of every check."""
    cases = []
    for rung in report["rungs"]:
        difference = rung["difference"]
        where = (
            f"sample {difference['sample']}, node {difference['node']}, index {difference['index']}"
            if difference
            else ""
        )
        why = rung["failure"] or (
            f"{where}: expected {difference['expected']}, got {difference['actual']}" if difference else ""
        )
        cases.append((f"reference = {rung['name']}", why))
    for found in report["classes"]:
        if found["fn_match"] is not None:
            cases.append((_misses(found, report), "" if found["fn_match"] else class_line(found, True)))
    worse = {f.name: line for f in figures if f.worse for line in regressions([f], allowed)}
    return cases + [(f"baseline: {f.name}", worse.get(f.name, "")) for f in figures if f.before is not None]


def junit(name: str, report: dict[str, Any], figures: list[Figure], allowed: float) -> bytes:
    """JUnit XML: one test case per rung, for the misses of each class, and per figure with a baseline; caveats as the suite's output."""
    cases = _cases(report, figures, allowed)
    failed = sum(bool(why) for _, why in cases)
    suites = ET.Element("testsuites", tests=str(len(cases)), failures=str(failed))
    suite = ET.SubElement(
        suites, "testsuite", name=f"cpcc verify {name}", tests=str(len(cases)), failures=str(failed), errors="0"
    )
    for case, why in cases:
        element = ET.SubElement(suite, "testcase", classname=f"cpcc.{name}", name=case)
        if why:
            ET.SubElement(element, "failure", message=why).text = why
    rates = [line for line in _rates(report) if line]
    ET.SubElement(suite, "system-out").text = "\n".join([headline(report), *rates, *_caveats(report)])
    ET.indent(suites)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _caveats(report: dict[str, Any]) -> list[str]:
    caveats = report["caveats"]
    seen = [
        f"{caveats[key]} samples {key.replace('_', ' ')}"
        for key in ("seen_in_training", "seen_in_calibration")
        if caveats[key]
    ]
    return seen + [f"changed since the build: {path}" for path in caveats["changed_files"]]


def _rates(report: dict[str, Any]) -> list[str]:
    """A second table: misses and false alarms of every important class with their intervals; nothing without labels."""
    head = [
        "",
        "| class | misses | FNR, 95 % interval | false alarms | FPR, 95 % interval |",
        "|---|---:|---:|---:|---:|",
    ]
    rows = []
    for found in report["classes"]:
        e = found["fixed"]
        misses, alarms = f"{e['fn']} of {e['fn'] + e['tp']}", f"{e['fp']} of {e['fp'] + e['tn']}"
        rates = [_interval(e["fnr"], e["fnr_interval"]), _interval(e["fpr"], e["fpr_interval"])]
        rows.append(f"| {found['label']} | {misses} | {rates[0]} | {alarms} | {rates[1]} |")
    return head + rows if rows else []


def _interval(rate: float | None, ends: list[float] | None) -> str:
    return "-" if rate is None or ends is None else f"{100 * rate:.2f} %, {100 * ends[0]:.2f} to {100 * ends[1]:.2f} %"


def summary(name: str, report: dict[str, Any], figures: list[Figure]) -> str:
    """A Markdown table of the figures, for a pull request."""
    mark = "passed" if report["passed"] and not any(f.worse for f in figures) else "**FAILED**"
    rows = [
        f"| {f.name} | {'-' if f.now is None else f'{f.now:,}'} | {'-' if f.before is None else f'{f.before:,}'} | {f.change}{' **worse**' if f.worse else ''} |"
        for f in figures
    ]
    lines = [
        f"### cpcc verify {name}: {mark}",
        "",
        headline(report),
        "",
        "| | now | baseline | change |",
        "|---|---:|---:|---:|",
        *rows,
    ]
    lines += _rates(report)
    return "\n".join([*lines, *(f"\nNote: {line}" for line in _caveats(report))]) + "\n"
