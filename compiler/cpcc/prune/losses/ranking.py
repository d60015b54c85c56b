"""Ranking terms: every positive above the negatives. Each takes scores (n,), is_positive (n,) bool and a margin,
and is 0, with a gradient of 0, for a batch without positives or without negatives."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Rank = Callable[[Tensor, Tensor, float], Tensor]

TOP_SHARE = 0.1  # the false-positive rates up to this one are what `top_rank` looks at


def max_rank(scores: Tensor, is_positive: Tensor, margin: float = 0.0) -> Tensor:
    """Paper's hinge: sum over positives of min(0, s_i - max negative)^2, over |P| + 1. `margin` is unused.

    Source: Entezari and Saukh, arXiv 1909.10364."""
    positives, negatives = scores[is_positive], scores[~is_positive]
    if not len(positives) or not len(negatives):
        return _nothing(scores)
    short = torch.clamp(positives - negatives.max(), max=0)
    return short.square().sum() / (len(positives) + 1)


def pairwise_rank(scores: Tensor, is_positive: Tensor, margin: float = 1.0) -> Tensor:
    """Mean over all (positive, negative) pairs of max(0, margin - (s_i - s_j))^2: AUC.

    Source: the Wilcoxon-Mann-Whitney statistic of Yan et al. 2003 with a squared hinge."""
    positives, negatives = scores[is_positive], scores[~is_positive]
    if not len(positives) or not len(negatives):
        return _nothing(scores)
    return torch.clamp(margin - positives[:, None] + negatives[None, :], min=0).square().mean()


def top_rank(scores: Tensor, is_positive: Tensor, margin: float = 1.0) -> Tensor:
    """`pairwise_rank` against the highest tenth of the negatives alone: the partial AUC at low false-positive rates.

    Source: Narasimhan and Agarwal, "A Structural SVM Based Approach for Optimizing Partial AUC", ICML 2013."""
    negatives = scores[~is_positive]
    if not len(negatives):
        return _nothing(scores)
    hardest = negatives.topk(math.ceil(TOP_SHARE * len(negatives))).values
    chosen = torch.cat([scores[is_positive], hardest])
    of_positive = torch.arange(len(chosen), device=scores.device) < int(is_positive.sum())
    return pairwise_rank(chosen, of_positive, margin)


def _nothing(scores: Tensor) -> Tensor:
    """0 that still hangs on the graph, so that backward works."""
    return scores.sum() * 0


RANKS: Mapping[str, Rank] = {"max": max_rank, "pairwise": pairwise_rank, "top": top_rank}
