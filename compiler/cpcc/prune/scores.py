"""Saliency of single parameters: the smallest scores are pruned first."""

from collections.abc import Callable, Mapping

from torch import Tensor

Score = Callable[[Tensor, Tensor], Tensor]


def magnitude(trained: Tensor, initial: Tensor) -> Tensor:
    """|w|."""
    return trained.abs()


def magnitude_increase(trained: Tensor, initial: Tensor) -> Tensor:
    """|w| - |w_init| (Zhou et al., "Deconstructing Lottery Tickets", 2019): the paper's score."""
    return trained.abs() - initial.abs()


SCORES: Mapping[str, Score] = {"magnitude": magnitude, "magnitude_increase": magnitude_increase}
