"""A build's last verification as one HTML page, nothing fetched from anywhere."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from cpcc import __version__
from cpcc.detector import Decision, decisions_of
from cpcc.files import write_atomically
from cpcc.folder import MANIFEST, BuildFolder, sha256
from cpcc.html_report import charts
from cpcc.html_report.svg import INK, MUTED, NEGATIVE
from cpcc.models.model_file import Model, load_model
from cpcc.models.torch_model import scaled_inputs
from cpcc.profile import Profile
from cpcc.proof.evidence import FIXED, FLOAT_DENSE, float_name
from cpcc.proof.guarantee import joint_delta
from cpcc.proof.results import Results
from cpcc.proof.verdict import class_line, headline
from cpcc.records import by_name
from cpcc.report import group_lines, percent, threshold_line, threshold_lines

DRAWN = 24
PACKAGES = ("torch", "numpy", "scikit-learn", "mapie", "unicorn", "capstone", "matplotlib")


@dataclass(frozen=True)
class DrawnSample:
    """A changed sample as the page shows it."""

    number: int
    words: str
    scores: str
    picture: str
    bad: bool


def environment() -> jinja2.Environment:
    """HTML escapes what it is given; charts are marked safe where they are made."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("cpcc.templates", "report"), undefined=jinja2.StrictUndefined, autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def write_report(build: BuildFolder, results: Results, profile: Profile | None, path: Path) -> str:
    """Write the page to `path`; its verdict in one line. `profile` is None where the target cannot be counted."""
    model = load_model(build.model_path) if build.model_path.suffix == ".pt" else None
    page = environment().get_template("page.html.j2").render(_variables(build, results, profile, model))
    write_atomically(path, page.encode())
    return headline(results.report)


def _variables(build: BuildFolder, results: Results, profile: Profile | None, model: Model | None) -> dict[str, Any]:
    return {
        "name": build.manifest.name, "target": build.plan.target, "version": __version__, "report": results.report,
        "verdict": headline(results.report), "percent": percent, "classes": _misses(build, results, model),
        "trajectory": _trajectory(model), "joint": _joint(build), "lines": [class_line(each, named=True) for each in results.report["classes"]], "groups": group_lines(results.report),
        "layers": _safe(charts.layers(profile)) if profile and profile.layers else "", "profile": profile,
        "arena": _safe(charts.arena(build.plan)), "plan": build.plan, "provenance": _provenance(build, results, model),
    }  # fmt: skip


@dataclass(frozen=True)
class Misses:
    """What labelled samples tell of one important class: its figures, the rule in words, the charts, the slider's counts
    and the changed samples. `key` keeps its ids apart from other classes'."""

    key: str
    label: int
    threshold: int
    models: list[tuple[str, dict[str, Any]]]
    changed: int
    samples: list[DrawnSample]
    rule: str
    roc: str
    histogram: str
    live: dict[str, Any]


def _misses(build: BuildFolder, results: Results, model: Model | None) -> list[Misses]:
    """One per important class; none without labels."""
    decisions = decisions_of(build.detector)
    found = results.report["classes"]
    return [_class_misses(i, d, each, results, model) for i, (d, each) in enumerate(zip(decisions, found))]


def _class_misses(i: int, decision: Decision, found: dict[str, Any], results: Results, model: Model | None) -> Misses:
    """The ROC needs both classes."""
    labels, key, fixed = results.labels == decision.positive, str(decision.positive), results.fixed[:, i]
    roc = ""
    if labels.any() and not labels.all():
        roc = _safe(charts.roc(labels, _curves(i, results, decision, model), key))
    histogram = _safe(charts.histogram(labels, fixed, decision.threshold, key))
    return Misses(
        key, decision.positive, decision.threshold, _models(found), found["changed_samples"],
        _samples(key, found, results, model), threshold_line(decision), roc, histogram,
        _live(labels, fixed, decision.threshold),
    )  # fmt: skip


def _safe(svg: str) -> str:
    from markupsafe import Markup

    return Markup(svg)  # made by svg.py, which escapes


def _models(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    names = {FLOAT_DENSE: "float_dense", float_name(found["float_dense"]): "float", FIXED: "fixed"}
    return [(name, found[key]) for name, key in names.items() if found[key] is not None]


def _joint(build: BuildFolder) -> str:
    """What several promises say together; empty for fewer."""
    decisions = decisions_of(build.detector)
    return threshold_lines(decisions)[-1] if len(decisions) > 1 and joint_delta(decisions) is not None else ""


def _live(labels: np.ndarray, fixed: np.ndarray, threshold: int) -> dict[str, Any]:
    """What the slider needs: how many positives and negatives have each integer score."""
    low, high = min(int(fixed.min()), threshold), max(int(fixed.max()), threshold) + 1
    counts = [np.bincount(fixed[own] - low, minlength=high - low + 1).tolist() for own in (labels, ~labels)]
    return {"low": low, "high": high, "built": threshold, "positives": counts[0], "negatives": counts[1]}


def _curves(i: int, results: Results, decision: Decision, model: Model | None) -> list[charts.Curve]:
    curves = []
    if model is not None and results.dense.size:
        threshold = model.meta.threshold_of(decision.positive, dense=True)
        curves.append(charts.Curve(FLOAT_DENSE, results.dense[:, i], threshold, MUTED, ":"))
    if results.pruned.size:
        curves.append(
            charts.Curve(
                float_name(results.dense if results.dense.size else None),
                results.pruned[:, i],
                decision.float_threshold,
                NEGATIVE,
                "--",
            )
        )
    return [*curves, charts.Curve(FIXED, results.fixed[:, i], decision.threshold, INK, "-")]


def _trajectory(model: Model | None) -> str:
    """Empty where the model was not pruned by cpcc."""
    return _safe(charts.trajectory(model.meta.history)) if model is not None and model.meta.history else ""


def _samples(key: str, found: dict[str, Any], results: Results, model: Model | None) -> list[DrawnSample]:
    places = {int(number): i for i, number in enumerate(results.drawn)}
    shown = [change for change in found["changes"] if change["sample"] in places][:DRAWN]
    raw = results.raw
    scaled = raw if model is None or not len(raw) else scaled_inputs(model, raw)
    return [_drawn(f"s{key}-{i}", change, raw, scaled, places[change["sample"]]) for i, change in enumerate(shown)]


def _drawn(own: str, change: dict[str, Any], raw: np.ndarray, scaled: np.ndarray, place: int) -> DrawnSample:
    """The changed sample number `place` of those kept, each of its inputs as a picture; `own` keeps its ids apart."""
    names = raw.dtype.names or ("x",)
    parts, scaled_parts = by_name(raw, names), by_name(scaled, names)
    pictures = [charts.sample(parts[name][place], scaled_parts[name][place], f"{own}{name}") for name in names]
    truth = "positive" if change["positive"] else "negative"
    wrong = change["now_positive"] != change["positive"]
    now = {
        (True, True): "now missed",
        (False, True): "now found",
        (True, False): "new false alarm",
        (False, False): "alarm gone",
    }
    words = now[(wrong, True) if change["positive"] else (wrong, False)]
    scores = f"{change['before']} {change['score_before']:.4g} → {change['after']} {change['score_after']:.4g}"
    return DrawnSample(change["sample"], f"{truth}, {words}", scores, _safe("".join(pictures)), wrong)


def _provenance(build: BuildFolder, results: Results, model: Model | None) -> list[tuple[str, str]]:
    known = build.manifest.provenance
    tools = [(f"compiler {name}", text) for name, text in known.get("toolchains", {}).items()]
    settings = "" if model is None else ", ".join(f"{k}={v}" for k, v in sorted(model.meta.settings.items()))
    return [
        ("cpcc", f"{__version__} (built with {build.manifest.cpcc})"),
        ("python", platform.python_version()),
        *((name, version(name)) for name in PACKAGES),
        *tools,
        ("model file, sha256", known.get("model_sha256", "")),
        ("manifest of the generated files, sha256", sha256((build.path / MANIFEST).read_bytes())),
        (
            "calibration data, sha256",
            ", ".join(sorted({d.guarantee.data_hash for d in decisions_of(build.detector)} - {""})) or "-",
        ),
        ("verification data, sha256", results.provenance.get("data_sha256", "")),
        ("build command", known.get("command") or "-"),
        ("verify command", results.provenance.get("command") or "-"),
        ("pruning (seed among its settings)", settings or "not pruned by cpcc"),
    ]
