"""The proof: every executor equals the reference at every node, and the fixed-point model misses no more.

`verify` states two things: (a) reference = host = ARM, value by value, and (b) `fn_match`, fixed FN <= float FN on the
data given. The step from float to fixed point is statistical (McNemar's exact test); all others are equalities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from cpcc.detector import Decision, Detector, check_raw
from cpcc.executors.base import Executor, Trace, bytes_per_sample
from cpcc.folder import BuildFolder
from cpcc.metrics import Evaluation, evaluate, mcnemar_exact
from cpcc.quantize import batches

SCHEMA = "cpcc-verify-1"
TRACE_BYTES = 64 * 2**20  # of node values held at once
INPUT_NODE = "input"
FULL_RUN = "run"
SCORE = "score"


@dataclass(frozen=True)
class Difference:
    """The first value that differs: `index` into the node's output, channels-last."""

    executor: str
    sample: int
    node: str
    index: list[int]
    expected: int
    actual: int

    def __str__(self) -> str:
        return (f"{self.executor}: sample {self.sample}, node {self.node}, index {tuple(self.index)}: "
                f"expected {self.expected}, got {self.actual}")  # fmt: skip


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


@dataclass(frozen=True, eq=False)
class Report:
    """Everything `cpcc verify` says; `as_json` is the versioned file."""

    samples: int
    executors: list[str]
    values_compared: int
    first_difference: Difference | None
    float_dense: Evaluation | None
    float_pruned: Evaluation | None
    fixed: Evaluation | None
    extra_misses: list[Miss]
    mcnemar_p: float | None
    margin_steps: int | None
    allow_fn: int

    @property
    def bit_exact(self) -> bool:
        return self.first_difference is None

    @property
    def extra_fn(self) -> int | None:
        """Misses that the fixed-point model adds (negative: it misses fewer); None where the data have no labels."""
        if self.fixed is None or self.float_pruned is None:
            return None
        return self.fixed.fn - self.float_pruned.fn

    @property
    def fn_match(self) -> bool | None:
        """None where the data have no labels, or the model file no float network."""
        return None if self.extra_fn is None else self.extra_fn <= self.allow_fn

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
            "float_dense": _evaluation(self.float_dense), "float": _evaluation(self.float_pruned),
            "fixed": _evaluation(self.fixed), "extra_misses": [asdict(m) for m in self.extra_misses],
            "mcnemar_p": self.mcnemar_p, "margin_steps": self.margin_steps,
        }  # fmt: skip


def _evaluation(evaluation: Evaluation | None) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    return {**asdict(evaluation), "fnr": evaluation.fnr, "fpr": evaluation.fpr}


def _first_unequal(expected: np.ndarray, actual: np.ndarray) -> tuple[int, ...] | None:
    unequal = np.argwhere(np.asarray(expected) != np.asarray(actual))
    return tuple(int(i) for i in unequal[0]) if len(unequal) else None


def first_difference(
    executor: str, names: dict[str, str], expected: Trace, actual: Trace, offset: int
) -> Difference | None:
    """The first differing value in execution order: nodes one by one, then the uninterrupted run, then the score.

    `names` maps tensors to the nodes that compute them; `offset` is the index of the batch's first sample."""
    pairs = [(names[t], expected.nodes[t], actual.nodes[t]) for t in expected.nodes]
    pairs += [(FULL_RUN, expected.output, actual.output), (SCORE, expected.scores, actual.scores)]
    for node, want, got in pairs:
        where = _first_unequal(want, got)
        if where is not None:
            return Difference(executor, offset + where[0], node, list(where[1:]), int(want[where]), int(got[where]))
    return None


def _node_names(build: BuildFolder) -> dict[str, str]:
    names = {node.output: node.name for node in build.plan.graph.nodes}
    return {build.plan.graph.input.name: INPUT_NODE, **names}


def _compare(
    build: BuildFolder, executors: Sequence[Executor], raw: np.ndarray, progress: Callable[[int], None]
) -> tuple[Difference | None, np.ndarray, int]:
    """First difference from the reference, the reference's scores (n,), and how many values were compared."""
    reference, *others = executors
    difference, scores, compared = None, [], 0
    size = max(1, TRACE_BYTES // max(1, bytes_per_sample(build.plan)))
    names, done = _node_names(build), 0
    for batch in batches(raw, size):
        expected = reference.run(batch, nodes=bool(others))
        scores.append(expected.scores)
        for executor in others:
            if difference is None:
                actual = executor.run(batch, nodes=True)
                difference = first_difference(executor.name, names, expected, actual, done)
                compared += sum(v.size for v in actual.nodes.values()) + actual.output.size + actual.scores.size
        done += len(batch)
        progress(done)
    return difference, np.concatenate(scores), compared


def extra_misses(positive: np.ndarray, floats: FloatScores, fixed: np.ndarray, decision: Decision) -> list[Miss]:
    """Positives found in float and missed in fixed point, nearest first."""
    lost = positive & (floats.pruned >= floats.pruned_threshold) & (fixed < decision.threshold)
    misses = [
        Miss(int(i), float(floats.pruned[i]), int(fixed[i]), int(decision.threshold - fixed[i]))
        for i in np.flatnonzero(lost)
    ]
    return sorted(misses, key=lambda miss: miss.steps)


def _decision_flips(floats: FloatScores, fixed: np.ndarray, decision: Decision, positive: np.ndarray) -> float:
    """McNemar's exact p on the positives: do float and fixed point miss differently many?"""
    found_float = floats.pruned[positive] >= floats.pruned_threshold
    found_fixed = fixed[positive] >= decision.threshold
    return mcnemar_exact(int((found_float & ~found_fixed).sum()), int((~found_float & found_fixed).sum()))


def margin(positive: np.ndarray, fixed: np.ndarray, threshold: int) -> int | None:
    """Steps from the threshold to the nearest positive that is found (0: exactly on it); None where none is."""
    found = fixed[positive & (fixed >= threshold)]
    return int(found.min() - threshold) if len(found) else None


def verify(
    build: BuildFolder,
    executors: Sequence[Executor],
    raw: np.ndarray,
    positive: np.ndarray | None,
    floats: FloatScores | None,
    allow_fn: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """The report on samples `raw` (n, ...) in the model's layout and labels `positive` (n,) bool.

    `executors` begins with the reference. Raises `DataError` where the samples do not fit the model."""
    check_raw(build.detector.input, raw)
    difference, fixed, compared = _compare(build, executors, raw, progress)
    equal = Report(
        len(raw), [e.name for e in executors], compared, difference, None, None, None, [], None, None, allow_fn
    )
    if positive is None or not isinstance(build.detector, Detector):
        return equal
    decision = build.detector.decision
    equal = replace(
        equal,
        fixed=evaluate(positive, fixed, decision.threshold),
        margin_steps=margin(positive, fixed, decision.threshold),
    )
    if floats is None:  # nothing to match: the model file itself is fixed-point
        return equal
    dense = None if floats.dense is None else evaluate(positive, floats.dense, floats.dense_threshold)
    return replace(
        equal,
        float_dense=dense,
        float_pruned=evaluate(positive, floats.pruned, floats.pruned_threshold),
        extra_misses=extra_misses(positive, floats, fixed, decision),
        mcnemar_p=_decision_flips(floats, fixed, decision, positive),
    )
