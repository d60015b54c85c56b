"""What class-dependent pruning is compared with: the same run, blind to the important class."""

from dataclasses import replace

from cpcc.prune.losses import RANKS, CrossEntropy, HybridLoss, Loss
from cpcc.prune.settings import PruneSettings


def class_blind(settings: PruneSettings) -> PruneSettings:
    """The same settings with plain cross entropy: every sample weighs the same, no ranking term."""
    return replace(settings, loss="bce", pos_weight=1.0)


def make_loss(settings: PruneSettings, balance: float) -> Loss:
    """The loss that the settings name; `balance` (negatives per positive) is the default pos_weight."""
    weight = balance if settings.pos_weight is None else settings.pos_weight
    cross_entropy = CrossEntropy(settings.positive, weight)
    if settings.loss == "bce":
        return cross_entropy
    return HybridLoss(cross_entropy, RANKS[settings.rank], settings.rank_weight, settings.margin)
