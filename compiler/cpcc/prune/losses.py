"""Training losses, all differentiable and all defined for a batch without positives or negatives.

The hybrid loss is cross entropy, weighted for the important class, plus lambda times a ranking term:
"max" is the paper's (Entezari and Saukh, arXiv 1909.10364), "pairwise" its smoother relative, the
Wilcoxon-Mann-Whitney statistic of Yan et al. 2003 with a squared hinge.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Rank = Callable[[Tensor, Tensor, float], Tensor]


def margin_scores(logits: Tensor, positive: int) -> Tensor:
    """Differentiable twin of metrics.scores_from_logits: logits (n,), (n, 1) or (n, k) to scores (n,)."""
    flat = logits.reshape(len(logits), -1)
    if flat.shape[1] == 1:
        return -flat[:, 0] if positive == 0 else flat[:, 0]
    others = torch.cat([flat[:, :positive], flat[:, positive + 1 :]], dim=1)
    return flat[:, positive] - others.amax(dim=1)


def max_rank(scores: Tensor, is_positive: Tensor, margin: float = 0.0) -> Tensor:
    """Paper's hinge: sum over positives of min(0, s_i - max negative)^2, over |P| + 1. `margin` is unused."""
    positives, negatives = scores[is_positive], scores[~is_positive]
    if not len(positives) or not len(negatives):
        return _nothing(scores)
    short = torch.clamp(positives - negatives.max(), max=0)
    return short.square().sum() / (len(positives) + 1)


def pairwise_rank(scores: Tensor, is_positive: Tensor, margin: float = 1.0) -> Tensor:
    """Mean over all (positive, negative) pairs of max(0, margin - (s_i - s_j))^2."""
    positives, negatives = scores[is_positive], scores[~is_positive]
    if not len(positives) or not len(negatives):
        return _nothing(scores)
    return torch.clamp(margin - positives[:, None] + negatives[None, :], min=0).square().mean()


def _nothing(scores: Tensor) -> Tensor:
    """0 that still hangs on the graph, so that backward works."""
    return scores.sum() * 0


RANKS: Mapping[str, Rank] = {"max": max_rank, "pairwise": pairwise_rank}


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy with weight `pos_weight` on class `positive`; logits (n,), (n, 1) or (n, k), labels (n,).

    One logit: binary, `positive` against the rest. Several: labels are the class indices.
    """

    positive: int
    pos_weight: float = 1.0

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        flat = logits.reshape(len(logits), -1)
        if flat.shape[1] == 1:
            return self._binary(margin_scores(flat, self.positive), labels == self.positive)
        weights = torch.ones(flat.shape[1], dtype=flat.dtype, device=flat.device)
        weights[self.positive] = self.pos_weight
        return functional.cross_entropy(flat, labels, weight=weights)

    def _binary(self, scores: Tensor, is_positive: Tensor) -> Tensor:
        weight = torch.tensor(self.pos_weight, dtype=scores.dtype, device=scores.device)
        targets = is_positive.to(scores.dtype)
        return functional.binary_cross_entropy_with_logits(scores, targets, pos_weight=weight)


@dataclass(frozen=True)
class HybridLoss:
    """cross_entropy + rank_weight * rank on the score of the important class."""

    cross_entropy: CrossEntropy
    rank: Rank
    rank_weight: float
    margin: float = 1.0

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        positive = self.cross_entropy.positive
        ranking = self.rank(margin_scores(logits, positive), labels == positive, self.margin)
        return self.cross_entropy(logits, labels) + self.rank_weight * ranking


Loss = CrossEntropy | HybridLoss
