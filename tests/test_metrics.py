"""Scores, counts, operating points and thresholds."""

import numpy as np
import pytest

from cpcc.metrics import (
    alarm_threshold,
    auc,
    budget_threshold,
    choose_threshold,
    evaluate,
    fnr_at_fpr,
    mcnemar_exact,
    partial_auc,
    scores_from_logits,
)

Y = np.array([False, False, True, True])
S = np.array([0.0, 2.0, 1.0, 3.0])


def test_scores_of_one_logit():
    logits = np.array([1.0, -2.0])
    assert scores_from_logits(logits, 1).tolist() == [1, -2]
    assert scores_from_logits(logits[:, None], 0).tolist() == [-1, 2]


def test_scores_of_several_logits_are_margins():
    logits = np.array([[1.0, 4.0, 2.0], [5.0, 0.0, 6.0]])
    assert scores_from_logits(logits, 1).tolist() == [2, -6]
    assert scores_from_logits(logits, 0).tolist() == [-3, -1]


def test_a_score_on_the_threshold_is_positive():
    result = evaluate(Y, S, 1.0)
    assert (result.tp, result.fp, result.fn, result.tn) == (2, 1, 0, 1)
    assert (result.fnr, result.fpr, result.auc) == (0, 0.5, 0.75)


def test_undefined_rates_are_none():
    result = evaluate(np.array([True, True]), np.array([0.0, 1.0]), 0.5)
    assert (result.fnr, result.fpr, result.auc) == (0.5, None, None)
    assert partial_auc(~Y & False, S) is None
    assert fnr_at_fpr(Y | True, S, 0.1) is None


def test_operating_points():
    assert fnr_at_fpr(Y, S, 0.0) == 0.5
    assert fnr_at_fpr(Y, S, 0.5) == 0.0
    assert partial_auc(Y, Y.astype(float), 0.1) == 1
    assert auc(Y, -S) == 0.25


def test_mcnemar():
    assert mcnemar_exact(0, 0) == 1
    assert mcnemar_exact(0, 5) == pytest.approx(2 / 32)
    assert mcnemar_exact(5, 0) == mcnemar_exact(0, 5)


def test_threshold_lies_in_the_middle_of_the_widest_free_gap():
    y = np.array([False, False, True, True])
    assert choose_threshold(y, np.array([-3.0, -1.0, 5.0, 6.0])) == 2
    # One miss of two costs 2.5, one alarm of two 0.5: the lower gap.
    assert choose_threshold(Y, S) == 0.5
    assert choose_threshold(Y, S, fn_cost=0.1) == 2.5


@pytest.mark.parametrize("scores", [[1.0, 1.0, 1.0, 1.0], [3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0]])
def test_threshold_is_finite_and_optimal(scores):
    scores = np.array(scores)
    found = choose_threshold(Y, scores)
    assert np.isfinite(found)

    def cost(threshold):
        result = evaluate(Y, scores, threshold)
        return 5 * result.fnr + result.fpr

    assert cost(found) == min(cost(t) for t in np.linspace(-1, 4, 51))


def test_threshold_between_neighbouring_floats():
    low = 1.0
    high = np.nextafter(low, 2)
    y = np.array([False, True])
    threshold = choose_threshold(y, np.array([low, high]))
    assert evaluate(y, np.array([low, high]), threshold).fp == 0
    assert evaluate(y, np.array([low, high]), threshold).fn == 0


def test_budget_threshold_is_the_highest_that_misses_no_more():
    random = np.random.default_rng(0)
    for _ in range(50):
        y, scores = random.random(30) < 0.4, random.integers(0, 12, 30).astype(float)
        for misses in range(int(y.sum())):
            threshold = budget_threshold(y, scores, misses)
            assert ((scores < threshold) & y).sum() <= misses
            above = scores[scores >= threshold].min()
            assert ((scores < np.nextafter(above, np.inf)) & y).sum() > misses
    assert budget_threshold(np.array([True]), np.array([3.0]), 1) > 3


def test_alarm_threshold_is_the_lowest_that_alarms_no_more():
    random = np.random.default_rng(1)
    for _ in range(50):
        y, scores = random.random(30) < 0.4, random.integers(0, 12, 30).astype(float)
        for alarms in range(int((~y).sum())):
            threshold = alarm_threshold(y, scores, alarms)
            assert ((scores >= threshold) & ~y).sum() <= alarms
            lower = scores[scores < threshold]
            assert not len(lower) or ((scores >= lower.max()) & ~y).sum() > alarms
