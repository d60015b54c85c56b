"""Losses that look at one sample at a time: cross entropy and focal, each weighted per class."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from cpcc.prune.losses.scores import margin_scores


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy with weight `pos_weight` on class `positive`; logits (n,), (n, 1) or (n, k), labels (n,).

    One logit: binary, `positive` against the rest. Several: labels are the class indices, and
    `class_weights` holds the weights of further classes.
    """

    positive: int
    pos_weight: float = 1.0
    class_weights: Mapping[int, float] = field(default_factory=dict)

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        flat = logits.reshape(len(logits), -1)
        if flat.shape[1] == 1:
            return self._binary(margin_scores(flat, self.positive), labels == self.positive)
        return functional.cross_entropy(flat, labels, weight=self._weights(flat))

    def _weights(self, flat: Tensor) -> Tensor:
        weights = torch.ones(flat.shape[1], dtype=flat.dtype, device=flat.device)
        for label, weight in ((self.positive, self.pos_weight), *self.class_weights.items()):
            weights[label] = weight
        return weights

    def _binary(self, scores: Tensor, is_positive: Tensor) -> Tensor:
        weights = torch.where(is_positive, self.pos_weight, 1.0).to(scores.dtype)
        return functional.binary_cross_entropy_with_logits(scores, is_positive.to(scores.dtype), weights)


@dataclass(frozen=True)
class Focal:
    """Focal loss: cross entropy times (1 - p)^gamma, p the probability of the true class; weights as in
    `CrossEntropy`. Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5."""

    positive: int
    pos_weight: float = 1.0
    class_weights: Mapping[int, float] = field(default_factory=dict)
    gamma: float = 2.0

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        log_p = self._log_probability(logits.reshape(len(logits), -1), labels)
        weights = torch.ones_like(log_p)
        for label, weight in ((self.positive, self.pos_weight), *self.class_weights.items()):
            weights = torch.where(labels == label, weight, weights)
        return -(weights * (1 - log_p.exp()) ** self.gamma * log_p).mean()

    def _log_probability(self, flat: Tensor, labels: Tensor) -> Tensor:
        """Log probability (n,) of each sample's true class."""
        if flat.shape[1] > 1:
            return functional.log_softmax(flat, dim=1).gather(1, labels[:, None])[:, 0]
        sign = torch.where(labels == self.positive, 1.0, -1.0).to(flat.dtype)
        return functional.logsigmoid(sign * margin_scores(flat, self.positive))
