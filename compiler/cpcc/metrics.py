"""Figures of merit of a detector: one place, on scikit-learn and scipy.

`y` is (n,) bool, True for the important (positive) class; `scores` is (n,), higher is more positive; a
sample counts as positive when its score >= threshold. Rates with nothing to count are None, never NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score, roc_curve

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Counts:
    """The confusion matrix of the important class."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def fnr(self) -> float | None:
        """Misses per positive; None without positives."""
        return self.fn / (self.fn + self.tp) if self.fn + self.tp else None

    @property
    def fpr(self) -> float | None:
        """False alarms per negative; None without negatives."""
        return self.fp / (self.fp + self.tn) if self.fp + self.tn else None


@dataclass(frozen=True)
class Evaluation(Counts):
    """Counts at one threshold and the threshold-free AUC-ROC (None when one class is missing)."""

    auc: float | None


def scores_from_logits(logits: Array, positive: int) -> Array:
    """Score (n,) of class `positive` from logits (n,), (n, 1) or (n, k).

    One logit speaks for class 1 (or any positive other than 0), so for class 0 it is negated. Of several,
    the score is the logit of `positive` minus the largest other.
    """
    flat = logits.reshape(len(logits), -1)
    if flat.shape[1] == 1:
        return -flat[:, 0] if positive == 0 else flat[:, 0]
    others = np.delete(flat, positive, axis=1)
    return flat[:, positive] - others.max(axis=1)


def evaluate(y: Array, scores: Array, threshold: float) -> Evaluation:
    """Confusion counts at `threshold`, and the AUC."""
    called = scores >= threshold
    return Evaluation(
        tp=int((called & y).sum()),
        fp=int((called & ~y).sum()),
        fn=int((~called & y).sum()),
        tn=int((~called & ~y).sum()),
        auc=auc(y, scores),
    )


def _both_classes(y: Array) -> bool:
    return bool(y.any()) and not bool(y.all())


def auc(y: Array, scores: Array) -> float | None:
    """Area under the ROC curve; None when one class is missing."""
    return float(roc_auc_score(y, scores)) if _both_classes(y) else None


def partial_auc(y: Array, scores: Array, max_fpr: float = 0.1) -> float | None:
    """AUC over FPR in [0, max_fpr], standardised so that chance is 0.5 and perfect is 1 (McClish 1989)."""
    return float(roc_auc_score(y, scores, max_fpr=max_fpr)) if _both_classes(y) else None


def fnr_at_fpr(y: Array, scores: Array, fpr: float) -> float | None:
    """Smallest FNR over all thresholds whose FPR does not exceed `fpr`; None when one class is missing."""
    if not _both_classes(y):
        return None
    rates, recalls, _ = roc_curve(y, scores, drop_intermediate=False)
    return float(1 - recalls[rates <= fpr].max())


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact McNemar p: b samples only the first model gets wrong, c only the second."""
    return float(binomtest(b, b + c, 0.5).pvalue) if b + c else 1.0


def choose_threshold(y: Array, scores: Array, fn_cost: float = 5.0) -> float:
    """Finite threshold that minimises fn_cost * FNR + FPR on the given (validation) samples.

    The cost is constant between neighbouring scores, so the middle of the gap is taken: it lies farthest
    from any sample. Among gaps of equal cost the widest wins, then the lowest (fewest misses). The two open
    ends, all positive and none, count as gaps of width 0. Needs at least one sample.
    """
    values, places = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    positives = np.bincount(places, weights=y, minlength=len(values))
    negatives = np.bincount(places, weights=~y, minlength=len(values))
    missed = np.concatenate([[0], np.cumsum(positives)]) / max(positives.sum(), 1)
    alarms = 1 - np.concatenate([[0], np.cumsum(negatives)]) / max(negatives.sum(), 1)
    cost = fn_cost * missed + alarms
    width = np.concatenate([[0], np.diff(values), [0]])
    best = np.flatnonzero(cost <= cost.min() + 1e-12)
    gap = int(best[np.argmax(width[best])])
    return _inside_gap(values, gap)


def budget_threshold(y: Array, scores: Array, misses: int) -> float:
    """Highest threshold at which at most `misses` positives lie below it; the middle of its gap between scores.

    With `misses` at least the number of positives: just above the highest score. Needs at least one sample."""
    values, places = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    missed = np.concatenate([[0], np.cumsum(np.bincount(places, weights=y, minlength=len(values)))])
    return _inside_gap(values, int(np.flatnonzero(missed <= misses)[-1]))


def alarm_threshold(y: Array, scores: Array, alarms: int) -> float:
    """Lowest threshold at which at most `alarms` negatives lie at or above it; the middle of its gap between scores."""
    values, places = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    below = np.concatenate([[0], np.cumsum(np.bincount(places, weights=~y, minlength=len(values)))])
    return _inside_gap(values, int(np.flatnonzero(below[-1] - below <= alarms)[0]))


def _inside_gap(values: Array, gap: int) -> float:
    """A threshold above values[gap - 1] and not above values[gap]."""
    if gap == 0:
        return float(values[0])
    if gap == len(values):
        return float(np.nextafter(values[-1], np.inf))
    middle = float(values[gap - 1] / 2 + values[gap] / 2)
    return middle if middle > values[gap - 1] else float(values[gap])
