"""The PlatformIO project around the model library."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np

from cpcc.detector import Detector, Network, scores_of
from cpcc.emit import c_float, context, emit_library, render
from cpcc.folder import library_folder
from cpcc.plan.plan import Plan
from cpcc.quantize import integer_outputs
from cpcc.records import by_name
from cpcc.self_test import SelfTest, choose_vectors, make_self_test

NUMBERS_PER_LINE = 12
EXAMPLE_BYTES = 4096


@dataclass(frozen=True)
class Example:
    """A raw sample as C initialiser lines, those of each input, with the scores, one per decision, and the integer outputs,
    again lines of each, that the firmware must compute."""

    lines: tuple[tuple[str, ...], ...]
    scores: tuple[int, ...]
    outputs: tuple[tuple[str, ...], ...]


def raw_examples(detector: Network, raw: np.ndarray) -> list[Example]:
    """The samples `raw` (n, ...) with their scores and outputs from the reference."""
    outputs = integer_outputs(detector, raw)
    scores = scores_of(detector, outputs)
    return [
        Example(lines, tuple(own.tolist()), tuple(_lines(y[i]) for y in outputs.values()))
        for i, (lines, own) in enumerate(zip(sample_lines(detector, raw), scores))
    ]


def sample_lines(network: Network, raw: np.ndarray) -> list[tuple[tuple[str, ...], ...]]:
    """C initialiser lines of each input, for every raw sample (n, ...)."""
    parts = by_name(raw, network.graph.inputs).values()
    return [tuple(_lines(part[i]) for part in parts) for i in range(len(raw))]


def choose_examples(detector: Network, raw: np.ndarray) -> list[Example]:
    """The samples of `raw` with the highest score of each decision and the lowest of the first (where there are both, a
    positive and a negative), of a network without a decision the first two, as many as `EXAMPLE_BYTES` of flash hold: examples must not be why a model does not fit."""
    chosen = [0, 1][: len(raw)]
    if isinstance(detector, Detector):
        scores = np.array([example.scores for example in raw_examples(detector, raw)])
        chosen = [*scores.argmax(axis=0).tolist(), int(scores[:, 0].argmin())]
    chosen = chosen[: EXAMPLE_BYTES // raw[0].nbytes]
    return raw_examples(detector, raw[chosen]) if chosen else []


def _lines(sample: np.ndarray) -> tuple[str, ...]:
    texts = [c_float(v) if sample.dtype.kind == "f" else str(v) for v in sample.ravel().tolist()]
    return tuple(", ".join(texts[i : i + NUMBERS_PER_LINE]) for i in range(0, len(texts), NUMBERS_PER_LINE))


def main_source(
    plan: Plan, detector: Network, name: str, examples: list[Example], self_test: SelfTest | None = None
) -> str:
    return render("main.c.j2", {**context(plan, detector, name, self_test), "examples": examples})


def self_test_of(plan: Plan, detector: Detector, raw: np.ndarray) -> SelfTest:
    """The self-test with vectors chosen from the raw samples (n, ...)."""
    chosen = choose_vectors(detector, raw)
    return make_self_test(plan, detector, chosen, sample_lines(detector, chosen))


def _tree(folder: Traversable, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir() and entry.name != "__pycache__":
            found |= _tree(entry, f"{prefix}/{entry.name}")
        elif entry.is_file() and not entry.name.endswith(".pyc"):
            found[f"{prefix}/{entry.name}"] = entry.read_text()
    return found


def emit_project(
    plan: Plan, detector: Network, name: str, raw: np.ndarray, with_self_test: bool = False
) -> dict[str, str]:
    """Every file of the project by relative path. `raw` (n, ...) are samples to choose examples and vectors from."""
    self_test = self_test_of(plan, detector, raw) if with_self_test and isinstance(detector, Detector) else None
    variables = context(plan, detector, name, self_test)
    library = library_folder(name)
    project = {f"{library}/{file}": text for file, text in emit_library(plan, detector, name, self_test).items()}
    project[f"{library}/library.json"] = render("library.json.j2", variables)
    project["README.md"] = render("README.md.j2", variables)
    project["src/main.c"] = main_source(plan, detector, name, choose_examples(detector, raw), self_test)
    project["platformio.ini"] = render("platformio.ini.j2", variables)
    if plan.target.name != "host":
        project |= _platform(plan, variables)
    return project


def _platform(plan: Plan, variables: dict[str, object]) -> dict[str, str]:
    """The project-local PlatformIO platform, for builds without PlatformIO's registry."""
    pattern = [f"*lib{variables['prefix']}.a:*"]
    return {
        **_tree(files("cpcc.firmware") / "platform", "platform"),
        "platform/boards/cpcc_target.json": render("board.json.j2", variables),
        "platform/target.ld": render("linker.ld.j2", {"target": plan.target, "model_objects": pattern}),
        "platform/startup/cpcc_startup.c": (files("cpcc.firmware") / "boards" / "cpcc_startup.c").read_text(),
    }
