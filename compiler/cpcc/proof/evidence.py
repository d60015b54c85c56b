"""What separates two models statistically: intervals, decisions that changed, exact tests.

`verify` compares float dense, float pruned and fixed-point models on the same samples; from the fixed-point reference
on the comparison is equality and needs no statistics (ladder.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from cpcc.metrics import Counts, mcnemar_exact
from cpcc.proof.guarantee import MAX_FNR, Guarantee

CONFIDENCE = 0.95
REFUTED = 0.05  # level of the test that doubts the promises of a build; several classes share it
FLOAT_DENSE, FLOAT_PRUNED, FLOAT, FIXED = "float dense", "float pruned", "float", "fixed-point"


@dataclass(frozen=True, eq=False)
class Model:
    """One model's scores (n,) and the threshold from which they are positive."""

    name: str
    scores: np.ndarray
    threshold: float

    @property
    def called(self) -> np.ndarray:
        return self.scores >= self.threshold


def float_name(dense: object) -> str:
    """What the float model that is built is called: pruned only where the model file holds the `dense` one as well."""
    return FLOAT if dense is None else FLOAT_PRUNED


@dataclass(frozen=True)
class Change:
    """A sample that two neighbouring models decide differently; scores are each on its own model's scale."""

    sample: int
    positive: bool
    before: str
    after: str
    score_before: float
    score_after: float
    now_positive: bool


@dataclass(frozen=True)
class Transition:
    """From one model to the next. `lost`: positives no longer found, `found`: found anew; `raised`: new false alarms,
    `quieted`: false alarms gone. The p are McNemar's exact ones, on positives and on negatives."""

    before: str
    after: str
    lost: int
    found: int
    p_misses: float
    raised: int
    quieted: int
    p_alarms: float


@dataclass(frozen=True)
class PromiseCheck:
    """Whether the data contradict a promised rate: `p_value` is the exact binomial probability of at least `errors`
    wrong of `samples` where the rate is just the level; below `refuted` they do."""

    kind: str
    level: float
    samples: int
    errors: int
    p_value: float
    refuted: float = REFUTED

    @property
    def holds(self) -> bool:
        return self.p_value >= self.refuted


def interval(errors: int, samples: int) -> tuple[float, float] | None:
    """Clopper-Pearson interval of a rate at CONFIDENCE; None without samples."""
    if not samples:
        return None
    found = binomtest(errors, samples).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


def changes(positive: np.ndarray, before: Model, after: Model) -> list[Change]:
    """Samples on which the two decide differently, new misses first, then new false alarms."""
    different = np.flatnonzero(before.called != after.called)
    found = [
        Change(
            int(i), bool(positive[i]), before.name, after.name, float(before.scores[i]), float(after.scores[i]),
            bool(after.called[i]),
        )
        for i in different
    ]  # fmt: skip
    return sorted(found, key=lambda c: (c.now_positive == c.positive, not c.positive, c.sample))


def transition(positive: np.ndarray, before: Model, after: Model) -> Transition:
    """How the decisions moved between two models on labelled samples, `positive` (n,) bool."""
    dropped, gained = before.called & ~after.called, ~before.called & after.called
    lost, found = int((dropped & positive).sum()), int((gained & positive).sum())
    raised, quieted = int((gained & ~positive).sum()), int((dropped & ~positive).sum())
    return Transition(
        before.name,
        after.name,
        lost,
        found,
        mcnemar_exact(lost, found),
        raised,
        quieted,
        mcnemar_exact(raised, quieted),
    )


def check_promise(guarantee: Guarantee, fixed: Counts, refuted: float = REFUTED) -> PromiseCheck | None:
    """The test of a promised rate on new data; None where nothing was promised or nothing can be counted."""
    misses = guarantee.kind == MAX_FNR
    errors = fixed.fn if misses else fixed.fp
    samples = fixed.fn + fixed.tp if misses else fixed.fp + fixed.tn
    if not guarantee.promised or not samples:
        return None
    p = float(binom.sf(errors - 1, samples, guarantee.level))
    return PromiseCheck(guarantee.kind, guarantee.level, samples, errors, p, refuted)
