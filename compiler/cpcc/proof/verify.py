"""The proof: every executor equals the reference at every node, and the fixed-point model misses no more.

`verify` states two things: (a) reference = host = ARM, value by value (ladder.py), and (b) the misses: by default
fixed FN <= float FN on the data given, for each important class; where a rate was promised, that the data do not
contradict it (evidence.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from cpcc.detector import Decision, check_raw, decisions_of
from cpcc.executors.base import Executor
from cpcc.folder import BuildFolder
from cpcc.metrics import Evaluation, evaluate
from cpcc.proof.calibration import Labelled, one_per_group
from cpcc.proof.evidence import (
    CONFIDENCE,
    FIXED,
    FLOAT_DENSE,
    REFUTED,
    Change,
    Model,
    PromiseCheck,
    Transition,
    changes,
    check_promise,
    float_name,
    interval,
    transition,
)  # fmt: skip
from cpcc.proof.guarantee import MAX_FPR
from cpcc.proof.ladder import Difference, Rung, Step, climb, workers_here

SCHEMA = "cpcc-verify-2"
LISTED_CHANGES = 200  # of the changed samples in the JSON report


@dataclass(frozen=True)
class Miss:
    """A positive that the fixed-point model misses and the float model finds. `steps` below the threshold."""

    sample: int
    float_score: float
    fixed_score: int
    steps: int


@dataclass(frozen=True, eq=False)
class FloatScores:
    """Scores (n,) and thresholds of the float models; `dense` is None where the model file has no dense network."""

    pruned: np.ndarray
    pruned_threshold: float
    dense: np.ndarray | None
    dense_threshold: float


@dataclass(frozen=True)
class Caveats:
    """What weakens the evidence: samples the model has seen, files that are not as `build` left them, and important
    classes of which the data have no sample, so that no miss could show."""

    seen_in_training: int = 0
    seen_in_calibration: int = 0
    changed_files: tuple[str, ...] = ()
    uncounted: tuple[int, ...] = ()

    def lines(self) -> list[str]:
        """One line each; empty where all is well."""
        seen = (("training", self.seen_in_training), ("calibration", self.seen_in_calibration))
        found = [f"{n} of the samples were used in {what}: the rates on them prove little" for what, n in seen if n]
        found += [f"the data have no sample labelled {label}: its misses were not counted" for label in self.uncounted]
        return found + [f"{path} was changed since the build; verifying what is there" for path in self.changed_files]


@dataclass(frozen=True)
class Figures:
    """What one inference and the model library cost on the target: exact instructions, bytes."""

    instructions: int
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int


@dataclass(frozen=True, eq=False)
class ClassReport:
    """What labelled samples tell of one important class. `threshold` is the integer one; `float_pruned` and with it the
    comparisons are missing where the model file has no float network."""

    label: int
    threshold: int
    fixed: Evaluation
    float_pruned: Evaluation | None = None
    float_dense: Evaluation | None = None
    extra_misses: tuple[Miss, ...] = ()
    margin_steps: int | None = None
    transitions: tuple[Transition, ...] = ()
    changes: tuple[Change, ...] = ()
    promise: PromiseCheck | None = None

    @property
    def mcnemar_p(self) -> float | None:
        """Of the misses, from the float to the fixed-point model."""
        return self.transitions[-1].p_misses if self.transitions else None

    @property
    def extra_fn(self) -> int | None:
        """Misses that the fixed-point model adds (negative: it misses fewer)."""
        return None if self.float_pruned is None else self.fixed.fn - self.float_pruned.fn

    def fn_match(self, allow_fn: int) -> bool | None:
        """Whether the statement about misses holds; None where there is no float network or no positive, and nothing was promised."""
        if self.promise is not None:
            return self.promise.holds
        return None if self.extra_fn is None or not self.fixed.fn + self.fixed.tp else self.extra_fn <= allow_fn

    def as_json(self, allow_fn: int) -> dict[str, Any]:
        return {
            "label": self.label, "threshold": self.threshold, "fn_match": self.fn_match(allow_fn),
            "float_dense": _evaluation(self.float_dense), "float": _evaluation(self.float_pruned),
            "fixed": _evaluation(self.fixed), "extra_misses": [asdict(m) for m in self.extra_misses],
            "mcnemar_p": self.mcnemar_p, "margin_steps": self.margin_steps,
            "transitions": [asdict(t) for t in self.transitions], "changed_samples": len(self.changes),
            "changes": [asdict(c) for c in self.changes[:LISTED_CHANGES]],
            "promise": {**asdict(self.promise), "holds": self.promise.holds} if self.promise else None,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Report:
    """Everything `cpcc verify` says; `as_json` is the versioned file. `classes` has an entry per important class, none
    without labels or without a decision; `groups` counts those of the data, 0 where they have none."""

    samples: int
    executors: list[str]
    values_compared: int
    first_difference: Difference | None
    allow_fn: int
    classes: tuple[ClassReport, ...] = ()
    rungs: tuple[Rung, ...] = ()
    caveats: Caveats = field(default_factory=Caveats)
    cost: Figures | None = None
    data_sha256: str = ""
    groups: int = 0

    @property
    def failure(self) -> str:
        """Why an executor stopped before the end; empty where none did."""
        return next((rung.failure for rung in self.rungs if rung.failure), "")

    @property
    def bit_exact(self) -> bool:
        return self.first_difference is None and not self.failure

    @property
    def fn_match(self) -> bool | None:
        """Whether the statement about misses holds for every class that allows one; None where none does."""
        found = [match for each in self.classes if (match := each.fn_match(self.allow_fn)) is not None]
        return all(found) if found else None

    @property
    def passed(self) -> bool:
        return self.bit_exact and self.fn_match is not False

    def as_json(self) -> dict[str, Any]:
        """Schema: cpcc/schemas/verify.schema.json."""
        return {
            "schema": SCHEMA, "samples": self.samples, "executors": self.executors,
            "values_compared": self.values_compared, "bit_exact": self.bit_exact,
            "first_difference": asdict(self.first_difference) if self.first_difference else None,
            "fn_match": self.fn_match, "allow_fn": self.allow_fn, "passed": self.passed,
            "failure": self.failure, "rungs": [asdict(rung) for rung in self.rungs],
            "classes": [each.as_json(self.allow_fn) for each in self.classes],
            "caveats": asdict(self.caveats), "cost": asdict(self.cost) if self.cost else None,
            "data_sha256": self.data_sha256, "groups": self.groups,
        }  # fmt: skip


def _evaluation(evaluation: Evaluation | None) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    return {
        **asdict(evaluation), "fnr": evaluation.fnr, "fpr": evaluation.fpr, "confidence": CONFIDENCE,
        "fnr_interval": interval(evaluation.fn, evaluation.fn + evaluation.tp),
        "fpr_interval": interval(evaluation.fp, evaluation.fp + evaluation.tn),
    }  # fmt: skip


def extra_misses(positive: np.ndarray, floats: FloatScores, fixed: np.ndarray, decision: Decision) -> list[Miss]:
    """Positives found in float and missed in fixed point, nearest first."""
    lost = positive & (floats.pruned >= floats.pruned_threshold) & (fixed < decision.threshold)
    misses = [
        Miss(int(i), float(floats.pruned[i]), int(fixed[i]), int(decision.threshold - fixed[i]))
        for i in np.flatnonzero(lost)
    ]
    return sorted(misses, key=lambda miss: miss.steps)


def margin(positive: np.ndarray, fixed: np.ndarray, threshold: int) -> int | None:
    """Steps from the threshold to the nearest positive that is found (0: exactly on it); None where none is."""
    found = fixed[positive & (fixed >= threshold)]
    return int(found.min() - threshold) if len(found) else None


def models(floats: FloatScores | None, fixed: np.ndarray, decision: Decision) -> list[Model]:
    """The models of the statistical steps, in their order."""
    if floats is None:
        return [Model(FIXED, fixed, decision.threshold)]
    dense = [] if floats.dense is None else [Model(FLOAT_DENSE, floats.dense, floats.dense_threshold)]
    return [
        *dense,
        Model(float_name(floats.dense), floats.pruned, floats.pruned_threshold),
        Model(FIXED, fixed, decision.threshold),
    ]


@dataclass(frozen=True, eq=False)
class Verified:
    """The report and the fixed-point scores (n, decisions) it rests on."""

    report: Report
    fixed: np.ndarray


def verify(
    build: BuildFolder,
    reference: Executor,
    steps: Sequence[Step],
    raw: np.ndarray,
    labels: np.ndarray | None,
    floats: Callable[[], tuple[FloatScores, ...] | None],
    allow_fn: int = 0,
    progress: Callable[[int], None] = lambda done: None,
    workers: int = 0,
    group: np.ndarray | None = None,
) -> Verified:
    """The report on samples `raw` (n, ...) in the model's layout, `labels` (n,) and maybe their `group` (n,), in `workers` threads (0: as many as
    there are processors). `floats`, scores per decision, is asked last: torch may compute meanwhile.

    Raises `DataError` where the samples do not fit the model."""
    check_raw(build.detector, raw)
    fixed, rungs = climb(build.plan, reference, steps, raw, progress, workers or workers_here())
    report = _equality(reference, steps, rungs, len(raw), allow_fn)
    decisions = decisions_of(build.detector)
    if labels is not None and decisions:
        found = floats() or (None,) * len(decisions)
        level = REFUTED / len(decisions)
        samples = Labelled(raw, labels, group)
        classes = (
            class_report(labels == decision.positive, own, scores, decision, level, counting(samples, decision))
            for decision, own, scores in zip(decisions, found, fixed.T, strict=True)
        )
        report = replace(report, classes=tuple(classes))
    if group is not None:
        report = replace(report, groups=len(np.unique(group)))
    return Verified(report, fixed)


def _equality(reference: Executor, steps: Sequence[Step], rungs: list[Rung], samples: int, allow_fn: int) -> Report:
    """The report without labels. `executors` are those that were to run on every sample."""
    whole = [reference.name, *(step.executor.name for step in steps if not step.limit)]
    difference = next((rung.difference for rung in rungs if rung.difference), None)
    compared = sum(rung.values_compared for rung in rungs)
    return Report(samples, whole, compared, difference, allow_fn, rungs=tuple(rungs))


def counting(samples: Labelled, decision: Decision) -> np.ndarray:
    """(n,) bool: the samples by which a promise is tested, all of its class or one of each group."""
    assert samples.y is not None
    positive = samples.y == decision.positive
    return one_per_group(samples, positive if decision.guarantee.kind != MAX_FPR else ~positive)


def class_report(
    positive: np.ndarray, floats: FloatScores | None, fixed: np.ndarray, decision: Decision, refuted: float = REFUTED,
    counted: np.ndarray | None = None,
) -> ClassReport:  # fmt: skip
    """What labels tell of one class, `positive` (n,) bool, by its fixed-point scores (n,). Without a float network there
    is nothing to compare the misses with; `refuted` is the level of the test that doubts the promise, made on the
    `counted` samples (n,) bool, None for all."""
    rows = slice(None) if counted is None else counted
    chain = models(floats, fixed, decision)
    pairs = list(itertools.pairwise(chain))
    judged = {model.name: evaluate(positive, model.scores, model.threshold) for model in chain}
    return ClassReport(
        decision.positive,
        decision.threshold,
        judged[FIXED],
        judged[float_name(floats.dense)] if floats else None,
        judged.get(FLOAT_DENSE),
        tuple(extra_misses(positive, floats, fixed, decision)) if floats else (),
        margin(positive, fixed, decision.threshold),
        tuple(transition(positive, a, b) for a, b in pairs),
        tuple(change for a, b in pairs for change in changes(positive, a, b)),
        check_promise(decision.guarantee, evaluate(positive[rows], fixed[rows], decision.threshold), refuted),
    )
