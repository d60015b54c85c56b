"""What a network says about one side of the data, and what that is worth."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cpcc.metrics import Evaluation, auc, evaluate, fnr_at_fpr, scores_from_logits

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Iteration:
    """What one round of training gave. Counts are per split side ("train", "validation", "calibration"):
    `at_zero` at score 0 (probability one half, the paper's measure), `at_threshold` at `threshold`, chosen
    on validation samples. `more` holds the same of further important classes, by label. `within_budget`:
    whether the budget of misses holds (True where none was set); `multipliers`: its Lagrange multipliers."""

    arm: str
    index: int
    remaining: float
    epochs: int
    best_epoch: int
    threshold: float
    at_zero: dict[str, Evaluation]
    at_threshold: dict[str, Evaluation]
    collapsed: bool
    within_budget: bool = True
    multipliers: dict[str, float] = field(default_factory=dict)
    more: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries, numbers and strings."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Iteration":
        """Inverse of `as_json`."""
        counts = {
            name: {side: Evaluation(**figures) for side, figures in values[name].items()}
            for name in ("at_zero", "at_threshold")
        }
        return Iteration(**{**values, **counts})


@dataclass(frozen=True)
class Answers:
    """Logits (n, k) float64 and labels (n,) int64 of one side."""

    logits: np.ndarray
    labels: np.ndarray

    def scores(self, label: int) -> np.ndarray:
        """Scores (n,) of class `label` against the rest."""
        return scores_from_logits(self.logits, label)

    def truth(self, label: int) -> np.ndarray:
        """(n,) bool: samples of class `label`."""
        return self.labels == label

    def finite(self) -> bool:
        return bool(np.isfinite(self.logits).all())

    def auc(self, label: int) -> float:
        """0 where a class is missing."""
        return auc(self.truth(label), self.scores(label)) or 0.0

    def fnr_at(self, label: int, fpr: float) -> float:
        """FNR at the given false-positive rate; 1 where a class is missing."""
        found = fnr_at_fpr(self.truth(label), self.scores(label), fpr)
        return 1.0 if found is None else found


def answers_of(net: nn.Module, batches: Batches, device: torch.device) -> Answers:
    """The network's logits in eval mode on every batch, in the batches' order."""
    net.eval()
    logits, labels = [], []
    with torch.no_grad():
        for x, y in batches:
            logits.append(net(x.to(device)).reshape(len(y), -1))
            labels.append(y)
    return Answers(torch.cat(logits).cpu().numpy().astype(np.float64), torch.cat(labels).cpu().numpy())


def quality(answers: Answers, label: int, held_out: float) -> tuple[float, float]:
    """What the best epoch is chosen by: AUC in steps of a quarter of a positive, then held-out loss.

    In finer steps a ranking of few positives comes near 1 by chance in the first epochs, with scores so close
    together that no threshold holds."""
    steps = 4 * max(int(answers.truth(label).sum()), 1)
    return round(answers.auc(label) * steps) / steps, -held_out if math.isfinite(held_out) else -math.inf


def evaluations(found: Mapping[str, Answers], label: int, threshold: float) -> dict[str, Evaluation]:
    """Class `label` against the rest at `threshold`, by side."""
    return {name: evaluate(each.truth(label), each.scores(label), threshold) for name, each in found.items()}


def more_classes(found: Mapping[str, Answers], thresholds: Mapping[int, float]) -> dict[str, dict[str, Any]]:
    """What `Iteration.more` holds, for the further important classes and their thresholds."""
    return {
        str(label): {
            "threshold": threshold,
            "at_zero": {side: asdict(each) for side, each in evaluations(found, label, 0.0).items()},
            "at_threshold": {side: asdict(each) for side, each in evaluations(found, label, threshold).items()},
        }
        for label, threshold in thresholds.items()
    }
