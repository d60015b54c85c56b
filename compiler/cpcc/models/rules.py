"""The float decisions of a network: which class, from which score on; their integer thresholds come with the quantizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cpcc.build_settings import BuildSettings
from cpcc.detector import Decision, Detector
from cpcc.errors import UsageError
from cpcc.proof.guarantee import Budget
from cpcc.proof.promise import Promise

if TYPE_CHECKING:
    from cpcc.models.model_meta import ModelMeta


def logit(probability: float) -> float:
    """Log-odds of a probability strictly between 0 and 1: the score at which sigmoid or two-class softmax gives it."""
    return math.log(probability / (1 - probability))


def decision_rules(meta: ModelMeta, settings: BuildSettings, logits: int) -> tuple[Decision, ...]:
    """The float decisions of the model file, with the user's overrides; their integer thresholds come later."""
    labels = settings.labels or meta.important
    if logits == 1 and len(labels) > 1:
        raise UsageError(
            "--important: several important classes need a network with a logit per class; this one has one"
        )
    return tuple(_decision_rule(meta, settings, label, logits) for label in labels)


def _decision_rule(meta: ModelMeta, settings: BuildSettings, positive: int, logits: int) -> Decision:
    threshold = meta.threshold_of(positive) if settings.threshold is None else logit(settings.threshold)
    if logits == 1:
        own = meta.has_meta and positive == meta.positive
        if not own and (meta.has_meta or positive not in (0, 1)):
            known = meta.positive if meta.has_meta else "0 and 1"
            raise UsageError(f"--positive {positive}: the network has one logit, which tells of class {known}")
        return Decision(0, -1 if positive == 0 else 1, 0, threshold, 1.0, positive)
    classes = meta.classes if meta.has_meta and len(meta.classes) == logits else tuple(range(logits))
    if positive not in classes:
        raise UsageError(f"--positive {positive}: the model's classes are {', '.join(map(str, classes))}")
    return Decision(classes.index(positive), 1, 0, threshold, 1.0, positive)


def scores_by_rule(logits: np.ndarray, rules: Sequence[Decision]) -> np.ndarray:
    """Float scores (n, rules) of float logits (n, k)."""
    from cpcc.metrics import scores_from_logits

    if logits.shape[1] == 1:
        return np.stack([rule.sign * logits[:, 0] for rule in rules], axis=1)
    return np.stack([scores_from_logits(logits, rule.index) for rule in rules], axis=1)


def budgets_of(detector: Detector, promise: Promise) -> tuple[Budget, ...]:
    """A budget for each decision. Raises `UsageError` where the promise leaves a class out or names another."""
    return promise.budgets(tuple(decision.positive for decision in detector.decisions))
