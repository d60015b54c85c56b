"""Learning from the dense network, most where it matters."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cpcc.prune.losses.scores import margin_scores


@dataclass(frozen=True)
class Distillation:
    """Mean squared distance to the teacher's score of class `positive`, squashed by tanh(s / 4) so that samples which
    both are sure of cost nothing; positives weigh `pos_weight`. Teacher and student logits (n,), (n, 1) or (n, k)."""

    positive: int
    pos_weight: float

    def __call__(self, logits: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        ours, theirs = (torch.tanh(margin_scores(each, self.positive) / 4) for each in (logits, teacher))
        weight = torch.where(labels == self.positive, self.pos_weight, 1.0).to(ours.dtype)
        return (weight * functional.mse_loss(ours, theirs, reduction="none")).sum() / weight.sum()
