"""What class-dependent pruning is compared with: the same run, blind to the important class; and the losses' making."""

from collections import Counter
from dataclasses import replace

from cpcc.prune.losses import RANKS, CrossEntropy, Focal, HybridLoss, Loss
from cpcc.prune.settings import PruneSettings


def class_blind(settings: PruneSettings) -> PruneSettings:
    """The same settings with plain cross entropy: every sample weighs the same, no ranking term, no teacher, no budget."""
    more = tuple(replace(each, weight=1.0) for each in settings.more_classes)
    free = replace(settings, max_fn_increase=None, fnr_budget=None)
    return replace(free, loss="bce", pos_weight=1.0, distill=0.0, more_classes=more)


def make_loss(settings: PruneSettings, counts: Counter[int]) -> Loss:
    """The loss that the settings name; `counts` are training samples by label, for the balancing weights."""
    weight = _weight(settings.pos_weight, settings.positive, counts)
    more = {each.label: _weight(each.weight, each.label, counts) for each in settings.more_classes}
    if settings.loss == "focal":
        return Focal(settings.positive, weight, more)
    cross_entropy = CrossEntropy(settings.positive, weight, more)
    if settings.loss == "bce":
        return cross_entropy
    classes = ((settings.positive, 1.0), *((label, 1.0) for label in more))
    return HybridLoss(cross_entropy, RANKS[settings.rank], settings.rank_weight, settings.margin, classes)


def _weight(given: float | None, label: int, counts: Counter[int]) -> float:
    """The given weight, or other samples per sample of the class."""
    return given if given is not None else (counts.total() - counts[label]) / counts[label]
