"""The Lagrangian of training under a budget of false negatives."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from cpcc.prune.losses.hybrid import Loss
from cpcc.prune.losses.ranking import top_rank
from cpcc.prune.losses.scores import margin_scores

RATE = 4.0  # per unit of FNR above the budget and epoch
LARGEST = 8.0


@dataclass
class Multipliers:
    """One Lagrange multiplier per important class, from 0 up; `update` is dual ascent.

    The constraint is on the false-negative rate at the dense network's false-positive rate, which has no gradient, so
    the loss sees a proxy and the multiplier sees the rate itself (proxy-Lagrangian, Cotter et al., JMLR 2019; for
    pruning: Hashemizadeh et al., "Balancing Act", ICLR 2024)."""

    values: dict[int, float] = field(default_factory=dict)

    def update(self, excess: dict[int, float]) -> None:
        """`excess` is FNR minus its limit, per class."""
        for label, value in excess.items():
            self.values[label] = min(max(self.values.get(label, 0.0) + RATE * value, 0.0), LARGEST)


@dataclass(frozen=True)
class ConstrainedLoss:
    """base + for every important class its multiplier times `top_rank` on that class's score."""

    base: Loss
    multipliers: Multipliers
    margin: float = 1.0

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = self.base(logits, labels)
        for label, multiplier in self.multipliers.values.items():
            if multiplier > 0:
                proxy = top_rank(margin_scores(logits, label), labels == label, self.margin)
                loss = loss + multiplier * proxy
        return loss


@dataclass(frozen=True)
class ImportantLoss:
    """Cross entropy of the important classes' samples alone, each class against the rest; 0 in a batch without."""

    labels: tuple[int, ...]

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        total = logits.sum() * 0
        for label in self.labels:
            misses = functional.softplus(-margin_scores(logits, label))
            total = total + torch.where(labels == label, misses, 0).mean()
        return total
