"""The paper's hybrid loss, for one important class or several."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from cpcc.prune.losses.pointwise import CrossEntropy
from cpcc.prune.losses.ranking import Rank
from cpcc.prune.losses.scores import margin_scores

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class HybridLoss:
    """cross_entropy + rank_weight * the sum over `classes` of rank on that class's score, one against the rest.

    `classes` pairs labels with relative weights; empty means the cross entropy's positive class.
    Source: Entezari and Saukh, arXiv 1909.10364."""

    cross_entropy: CrossEntropy
    rank: Rank
    rank_weight: float
    margin: float = 1.0
    classes: tuple[tuple[int, float], ...] = ()

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = self.cross_entropy(logits, labels)
        for label, weight in self.classes or ((self.cross_entropy.positive, 1.0),):
            ranking = self.rank(margin_scores(logits, label), labels == label, self.margin)
            loss = loss + self.rank_weight * weight * ranking
        return loss
