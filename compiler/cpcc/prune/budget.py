"""The FN-constrained mode: how many misses the pruned network may have, and whether it holds.

With `PruneSettings.max_fn_increase` or `fnr_budget` the constraint on every important class c is

    FNR_c(sparse) <= FNR_c(dense) + eps            on validation samples, each network at its own threshold,

where the sparse network's threshold is set so that it holds, and the price, its false-positive rate, may exceed
the dense one's by at most `max_fpr_increase`. While training, Lagrange multipliers weigh the important classes'
ranking loss by the excess of the FNR at the dense network's own false-positive rate (cpcc.prune.losses.constrained),
so that the price stays small: Hashemizadeh et al., "Balancing Act", ICLR 2024, with rates of misses at an equal
operating point instead of accuracies.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from cpcc.metrics import alarm_threshold, budget_threshold, choose_threshold, evaluate
from cpcc.prune.evaluation import Answers
from cpcc.prune.settings import PruneSettings

# The operating point at which multipliers compare: the dense network's, within these bounds, since a rate of 0
# has no negatives to rank against.
LOWEST_FPR, HIGHEST_FPR = 0.01, 0.2


@dataclass(frozen=True)
class ClassLimit:
    """What class `label` is held to: its dense network's false-positive rate on validation samples, the FNR there
    plus the allowed increase, the number of misses allowed at the pruned network's threshold."""

    label: int
    fpr: float
    fnr: float
    misses: int


@dataclass(frozen=True)
class Budget:
    """Limits per important class, known once the dense network is."""

    limits: tuple[ClassLimit, ...]
    max_fpr_increase: float

    def thresholds(self, answers: Answers, fn_cost: float) -> dict[int, float]:
        """Per class: the threshold of least cost that holds the budget; where none does, the highest that misses no
        more than allowed."""
        return {limit.label: self._threshold(limit, answers, fn_cost) for limit in self.limits}

    def _threshold(self, limit: ClassLimit, answers: Answers, fn_cost: float) -> float:
        y, scores = answers.truth(limit.label), answers.scores(limit.label)
        alarms = int(np.floor((limit.fpr + self.max_fpr_increase) * int((~y).sum()) + 1e-9))
        lowest = max(choose_threshold(y, scores, fn_cost), alarm_threshold(y, scores, alarms))
        return min(lowest, budget_threshold(y, scores, limit.misses))

    def holds(self, answers: Answers, thresholds: dict[int, float]) -> bool:
        """Whether every class's misses and false-positive rate are within their limits."""
        return all(self._holds(limit, answers, thresholds[limit.label]) for limit in self.limits)

    def _holds(self, limit: ClassLimit, answers: Answers, threshold: float) -> bool:
        found = evaluate(answers.truth(limit.label), answers.scores(limit.label), threshold)
        return found.fn <= limit.misses and (found.fpr or 0.0) <= limit.fpr + self.max_fpr_increase

    def excess(self, answers: Answers) -> dict[int, float]:
        """FNR at the dense network's operating point minus its limit, per class."""
        return {
            limit.label: answers.fnr_at(limit.label, min(max(limit.fpr, LOWEST_FPR), HIGHEST_FPR)) - limit.fnr
            for limit in self.limits
        }

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Budget":
        return Budget(tuple(ClassLimit(**each) for each in values["limits"]), values["max_fpr_increase"])


def budget_of(dense: Answers, settings: PruneSettings) -> Budget:
    """Limits from the dense network's answers on validation samples."""
    shares = {settings.positive: settings.fnr_budget or 0.0}
    shares |= {each.label: each.fnr_budget for each in settings.more_classes}
    limits = tuple(_limit(dense, label, share, settings) for label, share in shares.items())
    return Budget(limits, settings.max_fpr_increase)


def _limit(dense: Answers, label: int, share: float, settings: PruneSettings) -> ClassLimit:
    y, scores = dense.truth(label), dense.scores(label)
    positives = max(int(y.sum()), 1)
    extra = int(np.floor(share * positives + 1e-9)) + (settings.max_fn_increase or 0)
    found = evaluate(y, scores, choose_threshold(y, scores, settings.fn_cost))
    fpr = found.fpr or 0.0
    at = dense.fnr_at(label, min(max(fpr, LOWEST_FPR), HIGHEST_FPR))
    return ClassLimit(label, fpr, at + extra / positives, found.fn + extra)


@dataclass
class Unconstrained:
    """The budget of a run without one: thresholds of least cost, always held."""

    labels: tuple[int, ...] = field(default_factory=tuple)

    def thresholds(self, answers: Answers, fn_cost: float) -> dict[int, float]:
        return {label: choose_threshold(answers.truth(label), answers.scores(label), fn_cost) for label in self.labels}

    def holds(self, answers: Answers, thresholds: dict[int, float]) -> bool:
        return True

    def excess(self, answers: Answers) -> dict[int, float]:
        return {}
