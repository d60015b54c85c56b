"""Training losses, all differentiable and all defined for a batch without positives or negatives."""

from cpcc.prune.losses.constrained import ConstrainedLoss, ImportantLoss, Multipliers
from cpcc.prune.losses.distillation import Distillation
from cpcc.prune.losses.hybrid import HybridLoss, Loss
from cpcc.prune.losses.pointwise import CrossEntropy, Focal
from cpcc.prune.losses.ranking import RANKS, max_rank, pairwise_rank, top_rank
from cpcc.prune.losses.scores import margin_scores

__all__ = [
    "RANKS",
    "ConstrainedLoss",
    "CrossEntropy",
    "Distillation",
    "Focal",
    "HybridLoss",
    "ImportantLoss",
    "Loss",
    "Multipliers",
    "margin_scores",
    "max_rank",
    "pairwise_rank",
    "top_rank",
]
