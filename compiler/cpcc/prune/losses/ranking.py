"""Ranking terms: every positive above the negatives. Each takes scores (n,), is_positive (n,) bool and a margin,
and is 0, with a gradient of 0, for a batch without positives or without negatives.

Vectorised, and without indexing by a mask: how many positives there are would have to come back from a GPU first,
and the wait at every step made training on one five times slower.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Rank = Callable[[Tensor, Tensor, float], Tensor]

TOP_SHARE = 0.1  # the false-positive rates up to this one are what `top_rank` looks at


def max_rank(scores: Tensor, is_positive: Tensor, margin: float = 0.0) -> Tensor:
    """Paper's hinge: sum over positives of min(0, s_i - max negative)^2, over |P| + 1. `margin` is unused.

    Source: Entezari and Saukh, arXiv 1909.10364."""
    highest = scores.masked_fill(is_positive, -torch.inf).max()
    short = torch.clamp(scores - highest, max=0).square()
    counts = is_positive & torch.isfinite(highest)
    return torch.where(counts, short, 0).sum() / (is_positive.sum() + 1)


def pairwise_rank(scores: Tensor, is_positive: Tensor, margin: float = 1.0) -> Tensor:
    """Mean over all (positive, negative) pairs of max(0, margin - (s_i - s_j))^2: AUC.

    Source: the Wilcoxon-Mann-Whitney statistic of Yan et al. 2003 with a squared hinge."""
    return _mean_hinge(scores, is_positive, scores, ~is_positive, margin)


def top_rank(scores: Tensor, is_positive: Tensor, margin: float = 1.0) -> Tensor:
    """`pairwise_rank` against the batch's highest negatives alone, as many as a tenth of the batch: the partial AUC at
    low false-positive rates.

    Source: Narasimhan and Agarwal, "A Structural SVM Based Approach for Optimizing Partial AUC", ICML 2013."""
    hardest = scores.masked_fill(is_positive, -torch.inf).topk(math.ceil(TOP_SHARE * len(scores))).values
    real = torch.isfinite(hardest)
    return _mean_hinge(scores, is_positive, torch.where(real, hardest, 0), real, margin)


def _mean_hinge(a: Tensor, a_counts: Tensor, b: Tensor, b_counts: Tensor, margin: float) -> Tensor:
    """Mean of max(0, margin - (a_i - b_j))^2 over the pairs that count; 0 where there is none."""
    pairs = a_counts[:, None] & b_counts[None, :]
    hinge = torch.clamp(margin - a[:, None] + b[None, :], min=0).square()
    return torch.where(pairs, hinge, 0).sum() / pairs.sum().clamp(min=1)


RANKS: Mapping[str, Rank] = {"max": max_rank, "pairwise": pairwise_rank, "top": top_rank}
