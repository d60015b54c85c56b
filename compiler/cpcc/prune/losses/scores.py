"""The score of one class against the rest, differentiable."""

import torch
from torch import Tensor


def margin_scores(logits: Tensor, positive: int) -> Tensor:
    """Differentiable twin of metrics.scores_from_logits: logits (n,), (n, 1) or (n, k) to scores (n,)."""
    flat = logits.reshape(len(logits), -1)
    if flat.shape[1] == 1:
        return -flat[:, 0] if positive == 0 else flat[:, 0]
    others = torch.cat([flat[:, :positive], flat[:, positive + 1 :]], dim=1)
    return flat[:, positive] - others.amax(dim=1)
