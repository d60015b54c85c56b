"""The promised rate: the library's answer by hand, its level in simulation, ties, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from cpcc.data import sample_hashes
from cpcc.detector import Decision, score_span
from cpcc.errors import DataError, UsageError
from cpcc.graph import Int8
from cpcc.proof import calibration
from cpcc.proof.calibration import Labelled
from cpcc.proof.guarantee import MAX_FNR, MAX_FPR, Budget, choose_threshold, needed_samples
from cpcc.proof.operating_points import MOST_POINTS, operating_points

SPAN = (-128, 127)


@pytest.mark.parametrize(("level", "confidence", "needed"), [(0.02, 0.95, 149), (0.05, 0.95, 59), (0.01, 0.99, 459)])
def test_the_number_of_positives_needed(level: float, confidence: float, needed: int) -> None:
    assert needed_samples(level, confidence) == needed
    assert (1 - level) ** needed <= 1 - confidence < (1 - level) ** (needed - 1)


def test_too_few_positives_are_refused_with_the_number_needed() -> None:
    budget = Budget(MAX_FNR, 0.02, 0.95)
    with pytest.raises(DataError, match="needs at least 149 calibration positives, there are 148"):
        choose_threshold(np.full(148, 5), np.ones(148, bool), SPAN, budget)
    assert choose_threshold(np.full(149, 5), np.ones(149, bool), SPAN, budget) == (5, 0)


def by_hand(own: np.ndarray, budget: Budget) -> int:
    """The highest threshold up to which the exact binomial test rejects FNR > level at every step from the lowest."""
    chosen = None
    for threshold in range(SPAN[0], SPAN[1] + 1):
        if binom.cdf((own < threshold).sum(), len(own), budget.level) > budget.delta:
            break
        chosen = threshold
    assert chosen is not None
    return chosen


@pytest.mark.parametrize("seed", range(8))
def test_threshold_equals_the_binomial_test_done_by_hand(seed: int) -> None:
    """Coarse scores, so that many samples tie with the threshold; negatives must not matter."""
    rng = np.random.default_rng(seed)
    scores = (rng.normal(5, 4, 700).round() * 7).clip(*SPAN).astype(np.int32)
    positive = np.arange(700) < 500
    budget = Budget(MAX_FNR, 0.05, 0.9)
    threshold, errors = choose_threshold(scores, positive, SPAN, budget)
    assert threshold <= by_hand(scores[positive], budget)  # Hoeffding-Bentkus may be the more careful by rounding
    assert by_hand(scores[positive], budget) - threshold <= 7
    assert errors == (scores[positive] < threshold).sum() == (scores[positive] <= threshold - 1).sum()


def test_false_alarms_mirror_misses() -> None:
    rng = np.random.default_rng(1)
    scores = rng.integers(-128, 128, 500)
    fnr, _ = choose_threshold(scores, np.ones(500, bool), SPAN, Budget(MAX_FNR, 0.1))
    fpr, _ = choose_threshold(-1 - scores, np.zeros(500, bool), SPAN, Budget(MAX_FPR, 0.1))
    assert fpr == -fnr  # score >= threshold is negative where -1 - score < 1 - threshold


# True FNR at each threshold of a finite population: 0, 2, 4 and 5.1 % lie around the promised 5 %.
POPULATION = np.repeat([-100, -50, 0, 20, 60], [20, 20, 11, 449, 500])
RUNS, SAMPLES = 1000, 400


def test_level_holds_over_a_thousand_calibration_sets() -> None:
    """The share of calibration sets whose threshold exceeds the level in truth is at most delta (+ 3 standard errors).

    A threshold one step higher than the valid ones breaks it: see mutants.toml."""
    budget = Budget(MAX_FNR, 0.05, 0.95)
    rng = np.random.default_rng(0)
    draws = rng.choice(POPULATION, (RUNS, SAMPLES))
    answers: dict[tuple[int, ...], int] = {}
    above = 0
    for own in draws:
        key = tuple(np.bincount(own + 128, minlength=256))  # equal counts have equal answers: a tenth of the time
        if key not in answers:
            answers[key] = choose_threshold(own, np.ones(SAMPLES, bool), SPAN, budget)[0]
        above += (answers[key] > POPULATION).mean() > budget.level
    assert above / RUNS <= budget.delta + 3 * math.sqrt(budget.delta * (1 - budget.delta) / RUNS)


def test_saturated_scores_leave_no_threshold_for_false_alarms() -> None:
    with pytest.raises(DataError, match="200 of 200 calibration negatives have the extreme score"):
        choose_threshold(np.full(200, 127), np.zeros(200, bool), SPAN, Budget(MAX_FPR, 0.02))


@pytest.mark.parametrize(
    ("level", "confidence"), [(0, 0.9), (1, 0.9), (-0.1, 0.9), (0.1, 0), (0.1, 1), (math.nan, 0.9)]
)
def test_numbers_that_are_no_probabilities(level: float, confidence: float) -> None:
    with pytest.raises(UsageError, match="needed: more than 0, less than 1"):
        Budget(MAX_FNR, level, confidence)


@pytest.mark.parametrize(("sign", "zero_point", "logits", "span"), [(1, -10, 1, (-118, 137)), (-1, -10, 1, (-137, 118)), (1, 3, 4, (-255, 255))])  # fmt: skip
def test_span_of_scores(sign: int, zero_point: int, logits: int, span: tuple[int, int]) -> None:
    assert score_span(Decision(0, sign, 0, 0.0, 1.0, 1), Int8(0.1, zero_point), logits) == span


def samples(n: int) -> Labelled:
    x = np.random.default_rng(0).normal(0, 1, (n, 3)).astype(np.float32)
    return Labelled(x, np.arange(n) % 3)


def test_a_division_keeps_equal_samples_together() -> None:
    one = samples(200)
    assert one.y is not None
    twice = Labelled(np.concatenate([one.x, one.x]), np.concatenate([one.y, one.y]))
    quantizer, threshold = calibration.divide(twice)
    assert not set(sample_hashes(quantizer.x)) & set(sample_hashes(threshold.x))
    assert 60 < len(quantizer.x) < 140
    calibration.check_unseen(threshold, (), quantizer)
    with pytest.raises(DataError, match="needs labels"):
        calibration.divide(Labelled(one.x, None))


def test_seen_samples_are_refused() -> None:
    seen, other = samples(6), Labelled(samples(6).x + 9, None)
    with pytest.raises(DataError, match=r"1 of 6 samples were used to train .*first: sample 4"):
        calibration.check_unseen(seen, [sample_hashes(seen.x)[4]], other)
    with pytest.raises(DataError, match="6 of 6 samples were used by the quantizer"):
        calibration.check_unseen(seen, (), seen)


def test_data_hash_knows_samples_and_labels_but_not_their_order() -> None:
    one = samples(10)
    assert one.y is not None
    assert calibration.data_hash(one) == calibration.data_hash(Labelled(one.x[::-1], one.y[::-1]))
    assert calibration.data_hash(one) != calibration.data_hash(Labelled(one.x, one.y[::-1]))


def test_operating_points_are_measured_and_hold_the_chosen_one() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(-128, 128, 400), np.arange(400) % 4 == 0
    points = operating_points(scores, positive, 3)
    assert len(points) == MOST_POINTS
    assert [p.threshold for p in points] == sorted({p.threshold for p in points})
    chosen = next(p for p in points if p.threshold == 3)
    assert chosen.fnr == round(1e4 * (scores[positive] < 3).mean())
    assert chosen.fpr == round(1e4 * (scores[~positive] >= 3).mean())
    assert operating_points(scores, np.ones(400, bool), 3) == ()
