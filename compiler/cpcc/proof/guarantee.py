"""The integer threshold with a finite-sample promise: Learn-then-Test over all thresholds, through MAPIE.

Source: Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then Test" (arXiv 2110.01052), with a fixed sequence of
hypotheses. What is promised, and what is not: docs/guarantee.md.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cpcc.errors import DataError, UsageError

EQUAL_FN, MAX_FNR, MAX_FPR = "equal-fn", "max-fnr", "max-fpr"


@dataclass(frozen=True)
class Guarantee:
    """How the integer threshold was chosen. `kind` is EQUAL_FN (no promise beyond the calibration data), MAX_FNR or
    MAX_FPR; with those two the rate is at most `level` (alpha) but for a probability of at most `delta` over the draw
    of the `samples` calibration samples of the class in question, `errors` of which are decided wrongly; where they are
    `grouped`, they are one of each group. `data_hash` (sha256) names the samples and labels used; empty where there were none."""

    kind: str = EQUAL_FN
    level: float = 1.0
    delta: float = 1.0
    samples: int = 0
    errors: int = 0
    data_hash: str = ""
    grouped: bool = False

    @property
    def promised(self) -> bool:
        return self.kind != EQUAL_FN


NO_PROMISE = Guarantee()


class HasGuarantee(Protocol):
    """A decision."""

    @property
    def guarantee(self) -> Guarantee: ...


@dataclass(frozen=True)
class Budget:
    """What one important class is promised: the rate that `kind` names at most `level`, with `confidence` of its own.
    `label` names the class where there are several. `UsageError` for a number that is no probability strictly between
    0 and 1."""

    kind: str
    level: float
    confidence: float = 0.95
    label: int | None = None

    def __post_init__(self) -> None:
        for name, value in ((self.kind, self.level), ("confidence", self.confidence)):
            if not 0 < value < 1:
                raise UsageError(f"--{name} {value}: needed: more than 0, less than 1")

    def __str__(self) -> str:
        """As it was asked for."""
        return f"--{self.kind} {'' if self.label is None else f'{self.label}='}{self.level:g}"

    @property
    def delta(self) -> float:
        return 1 - self.confidence

    @property
    def needed(self) -> int:
        """Fewest samples that can prove it."""
        return needed_samples(self.level, self.confidence)

    @property
    def whose(self) -> str:
        """The samples that count, in words."""
        return self.counted if self.label is None else f"{self.counted} of class {self.label}"

    def own(self, positive: np.ndarray) -> np.ndarray:
        """(n,) bool: the samples that count, of the `positive` ones (n,) bool."""
        return positive if self.kind == MAX_FNR else ~positive

    @property
    def counted(self) -> str:
        """The class whose samples the promise is about."""
        return "positives" if self.kind == MAX_FNR else "negatives"


def joint_delta(decisions: Iterable[HasGuarantee]) -> float | None:
    """Probability at most that not all promised rates hold: the sum of the deltas (Bonferroni); None without promises."""
    deltas = [decision.guarantee.delta for decision in decisions if decision.guarantee.promised]
    return min(1.0, math.fsum(deltas)) if deltas else None


def needed_samples(level: float, confidence: float) -> int:
    """Fewest samples with which even zero errors prove a rate of at most `level`: n with (1 - level)^n <= 1 - confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - level) - 1e-12)


def choose_threshold(
    scores: np.ndarray, positive: np.ndarray, span: tuple[int, int], budget: Budget
) -> tuple[int, int]:
    """(threshold, errors at it): the highest integer threshold that keeps the FNR, or the lowest that keeps the FPR.

    scores (n,) fixed-point scores within `span` (lowest, highest possible), positive (n,) bool. Raises `DataError`
    where the samples cannot prove the level; the message says how many could."""
    own = scores[budget.own(positive)]
    check_enough([(len(own), budget)])
    low, high = span
    thresholds = np.arange(low, high + 1)
    if budget.kind == MAX_FPR:
        thresholds = thresholds[::-1]
    valid = _valid(own, thresholds, span, budget)
    if not valid:
        at_best = int((own >= thresholds[0]).sum())
        raise DataError(
            f"{budget}: no threshold holds it with confidence {budget.confidence:g}: {at_best} of "
            f"{len(own)} calibration {budget.whose} have the extreme score; allow a larger rate or calibrate on more"
        )
    chosen = int(thresholds[valid - 1])
    errors = int((own < chosen).sum() if budget.kind == MAX_FNR else (own >= chosen).sum())
    return chosen, errors


def check_enough(counted: Sequence[tuple[int, Budget]], grouped: bool = False) -> None:
    """Raises `DataError` where fewer samples than a budget needs are there (`grouped`: groups); names every such budget and
    its number."""
    unit = " groups with one, each counted once" if grouped else ""
    short = [
        f"{budget} at confidence {budget.confidence:g} needs at least {budget.needed} calibration {budget.whose}, there are {n}{unit}"
        for n, budget in counted
        if n < budget.needed
    ]
    if short:
        raise DataError(f"{'; '.join(short)}; give more with --threshold-data, or allow a larger rate")


def _valid(own: np.ndarray, thresholds: np.ndarray, span: tuple[int, int], budget: Budget) -> int:
    """How many of `thresholds`, in this order, pass before the first that fails."""
    from mapie.risk_control import BinaryClassificationController  # 1 s of imports, needed here only

    low, high = span

    def unit(values: np.ndarray) -> np.ndarray:
        """Scores and thresholds by one expression, so that ties stay exact."""
        return (values - low) / (high - low)

    positive_class = budget.kind == MAX_FNR
    controller = BinaryClassificationController(
        predict_function=lambda p: np.stack([1 - p, p], axis=1),
        risk="recall" if positive_class else "fpr",
        target_level=1 - budget.level if positive_class else budget.level,
        confidence_level=budget.confidence,
        best_predict_param_choice="recall" if positive_class else "fpr",  # any: the last valid one is taken
        list_predict_params=unit(thresholds),
        fwer_method="fixed_sequence",
    )
    with warnings.catch_warnings():
        # "no parameters found" and "all predictions are 0 or 1" (saturated scores): both are handled by the caller
        warnings.filterwarnings("ignore", category=UserWarning, module=r"mapie\..*")
        controller.calibrate(unit(own), np.full(len(own), int(positive_class)))
    return len(controller.valid_predict_params)
