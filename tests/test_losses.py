"""Losses: values, gradients, and batches that lack a class."""

import numpy as np
import pytest
import torch
from torch import tensor

from cpcc.metrics import scores_from_logits
from cpcc.prune.losses import (
    RANKS,
    ConstrainedLoss,
    CrossEntropy,
    Distillation,
    Focal,
    HybridLoss,
    ImportantLoss,
    Multipliers,
    margin_scores,
    max_rank,
    pairwise_rank,
    top_rank,
)

LOSSES = {
    "cross entropy": CrossEntropy(1, 3.0),
    "cross entropy of class 0": CrossEntropy(0, 3.0),
    "focal": Focal(1, 3.0),
    "important": ImportantLoss((1,)),
    "constrained": ConstrainedLoss(CrossEntropy(1), Multipliers({1: 0.8})),
    **{f"hybrid {name}": HybridLoss(CrossEntropy(1, 3.0), rank, 0.7, 0.9) for name, rank in RANKS.items()},
}
LABELS = {
    "both": tensor([0, 1, 1, 0, 1]),
    "no positive": tensor([0, 0, 0, 0, 0]),
    "no negative": tensor([1, 1, 1, 1, 1]),
}


def random_logits(outputs):
    generator = torch.Generator().manual_seed(5)
    shape = (5,) if outputs == 0 else (5, outputs)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("outputs", [0, 1, 2, 3])
def test_gradient_is_right(name, labels, outputs):
    loss, y = LOSSES[name], LABELS[labels]
    assert torch.autograd.gradcheck(lambda logits: loss(logits, y), random_logits(outputs))


@pytest.mark.parametrize("labels", LABELS)
def test_gradient_of_several_classes_and_of_a_teacher_is_right(labels):
    y, logits = LABELS[labels], random_logits(3)
    teacher = torch.randn(5, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    cross_entropy = CrossEntropy(1, 3.0, {2: 2.0})
    several = HybridLoss(cross_entropy, top_rank, 0.7, 0.9, ((1, 1.0), (2, 0.5)))
    assert torch.autograd.gradcheck(lambda x: several(x, y), logits)
    assert torch.autograd.gradcheck(lambda x: Distillation(1, 4.0)(x, teacher, y), logits)


def test_focal_without_focus_is_cross_entropy():
    for outputs in (1, 3):
        logits, y = random_logits(outputs), LABELS["both"]
        assert torch.allclose(Focal(1, gamma=0.0)(logits, y), CrossEntropy(1)(logits, y))


def test_top_rank_sees_only_the_highest_negatives():
    positive = torch.arange(40) < 10
    scores = torch.where(positive, 1.0, torch.linspace(-9, 0, 40).double()).double().requires_grad_()
    top_rank(scores, positive, 1.5).backward()
    moved = (scores.grad != 0).nonzero().flatten().tolist()
    # four of forty: the negatives 0, -0.23, -0.46 of the last places; -0.69 is beyond the margin
    assert set(moved) == {*range(10), 37, 38, 39}


def test_multipliers_rise_with_the_excess_and_stay_in_bounds():
    multipliers = Multipliers()
    multipliers.update({1: 0.1})
    assert multipliers.values[1] > 0
    multipliers.update({1: -5.0})
    assert multipliers.values[1] == 0
    multipliers.update({1: 100.0})
    assert multipliers.values[1] == 8.0


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("rank", RANKS.values())
def test_rank_gradient_is_right(rank, labels):
    is_positive = LABELS[labels] == 1
    assert torch.autograd.gradcheck(lambda s: rank(s, is_positive, 0.9), random_logits(0))


@pytest.mark.parametrize("labels", ["no positive", "no negative"])
@pytest.mark.parametrize("rank", RANKS.values())
def test_a_missing_class_costs_nothing_and_has_a_graph(rank, labels):
    scores = random_logits(0)
    loss = rank(scores, LABELS[labels] == 1, 1.0)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(scores.grad, torch.zeros(5, dtype=torch.float64))


def test_max_rank_is_the_papers_formula():
    scores, positive = tensor([1.0, 4.0, 2.0, 3.0]), tensor([True, True, False, False])
    # Positives 1 and 4 against the highest negative 3: (1 - 3)^2 + 0, over 2 + 1.
    assert max_rank(scores, positive).item() == pytest.approx(4 / 3)


def test_pairwise_rank_counts_every_pair():
    scores, positive = tensor([1.0, 4.0, 2.0, 3.0]), tensor([True, True, False, False])
    assert pairwise_rank(scores, positive, 1.0).item() == pytest.approx((4 + 9 + 0 + 0) / 4)


def test_ranking_term_reaches_the_weights():
    logits, y = random_logits(1), LABELS["both"]
    plain = torch.autograd.grad(CrossEntropy(1)(logits, y), logits)[0]
    hybrid = torch.autograd.grad(HybridLoss(CrossEntropy(1), max_rank, 1.0)(logits, y), logits)[0]
    assert not torch.equal(plain, hybrid)


def test_pos_weight_weighs_the_important_class_alone():
    y = tensor([0, 1, 2])
    for logits in (torch.zeros(3, 1), torch.zeros(3, 3)):
        labels = (y == 1).long() if logits.shape[1] == 1 else y
        light, heavy = CrossEntropy(1, 1.0), CrossEntropy(1, 4.0)
        assert heavy(logits[1:2], labels[1:2]) >= light(logits[1:2], labels[1:2])
        assert heavy(logits[:1], labels[:1]) == light(logits[:1], labels[:1])


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("outputs", [0, 1, 2])
def test_margin_scores_equal_the_metrics(positive, outputs):
    logits = random_logits(outputs).detach()
    expected = scores_from_logits(logits.numpy(), positive)
    assert np.array_equal(margin_scores(logits, positive).numpy(), expected)
