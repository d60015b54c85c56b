"""Which samples calibrate what: the quantizer's and the threshold's never overlap where a promise is made.

A promise about the threshold needs a score function that was fixed before its samples were seen (docs/guarantee.md):
samples that trained the network, chose its epoch or set the quantizer's ranges are out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cpcc.data import Dataset, sample_hashes
from cpcc.detector import Decision, Detector, check_raw, score_span, scores_of
from cpcc.errors import DataError
from cpcc.proof.guarantee import Budget, Guarantee, check_enough, choose_threshold
from cpcc.proof.operating_points import OperatingPoint, operating_points
from cpcc.quantize import integer_outputs

QUANTIZER_DIGITS = "0123"  # first hash digits of the quarter that goes to the quantizer


@dataclass(frozen=True, eq=False)
class Labelled:
    """Raw samples (n, ...) in the model's layout, labels (n,) or None, and group numbers (n,) or None: samples of one group
    (a patient, a machine) are no independent draws."""

    x: np.ndarray
    y: np.ndarray | None
    group: np.ndarray | None = None

    def rows(self, chosen: np.ndarray) -> Labelled:
        """Those of `chosen` (n,) bool."""
        y, group = (None if part is None else part[chosen] for part in (self.y, self.group))
        return Labelled(self.x[chosen], y, group)


def one_per_group(samples: Labelled, own: np.ndarray) -> np.ndarray:
    """(n,) bool: of the samples `own` (n,) bool one of each group, all of them without groups.

    It is the one with the least sha256: a draw at random that depends on neither order, labels nor scores."""
    if samples.group is None:
        return own
    rows = np.flatnonzero(own)
    rows = rows[np.argsort(np.array(sample_hashes(samples.x[rows])), kind="stable")] if len(rows) else rows
    first = np.unique(samples.group[rows], return_index=True)[1]
    drawn = np.zeros(len(own), bool)
    drawn[rows[first]] = True
    return drawn


def data_hash(samples: Labelled) -> str:
    """sha256, 64 hex digits, of samples and labels, whatever their order."""
    labels = np.full(len(samples.x), -1) if samples.y is None else samples.y
    lines = sorted(f"{h} {int(y)}\n" for h, y in zip(sample_hashes(samples.x), labels, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def divide(samples: Labelled) -> tuple[Labelled, Labelled]:
    """(quantizer's quarter, threshold's rest), by the samples' own hashes: independent of labels and order; equal samples
    stay on one side, and so do the samples of a group. Raises `DataError` where one side is empty or there are no labels."""
    if samples.y is None:
        raise DataError("the promised rate needs labels; give samples with y: --calibrate or --threshold-data")
    quantizer = np.array([h[0] in QUANTIZER_DIGITS for h in _group_hashes(samples)])
    if quantizer.all() or not quantizer.any():
        raise DataError(
            f"{len(samples.x)} calibration samples are too few to divide between quantizer and threshold; "
            "give the threshold's own with --threshold-data"
        )
    return samples.rows(quantizer), samples.rows(~quantizer)


def _group_hashes(samples: Labelled) -> list[str]:
    """Each sample's hash; with groups the least of its group's."""
    hashes = sample_hashes(samples.x)
    if samples.group is None:
        return hashes
    least: dict[int, str] = {}
    for number, own in zip(samples.group.tolist(), hashes, strict=True):
        least[number] = min(own, least.get(number, own))
    return [least[number] for number in samples.group.tolist()]


def sides(quantizer: Labelled, threshold: Dataset | None) -> tuple[Labelled, Labelled]:
    """(quantizer's, threshold's) samples for a promise: the user's own for the threshold, or else a division."""
    return (
        divide(quantizer)
        if threshold is None
        else (quantizer, Labelled(threshold.x, threshold.labels(), threshold.group))
    )


def overlap(x: np.ndarray, known: Iterable[str]) -> np.ndarray:
    """(n,) bool: which of the raw samples `x` (n, ...) have a hash in `known`."""
    taken = set(known)
    return np.array([h in taken for h in sample_hashes(x)], bool) if taken else np.zeros(len(x), bool)


def check_unseen(threshold: Labelled, trained: Iterable[str], quantizer: Labelled) -> None:
    """Raises `DataError` where a sample of the threshold's was used before."""
    for what, hashes in (
        ("to train or to choose the epoch", trained),
        ("by the quantizer", sample_hashes(quantizer.x)),
    ):
        used = overlap(threshold.x, hashes)
        if used.any():
            raise DataError(
                f"threshold data: {int(used.sum())} of {len(used)} samples were used {what} (first: sample "
                f"{int(np.argmax(used))}); a promised rate needs unseen samples, remove those"
            )


def fixed_scores(detector: Detector, raw: np.ndarray) -> np.ndarray:
    """int32 scores (n, decisions) of raw samples, by the reference."""
    return scores_of(detector, integer_outputs(detector, raw))


def with_promise(detector: Detector, samples: Labelled, budgets: Sequence[Budget]) -> Detector:
    """`detector` with the thresholds that the `budgets` ask for, one per decision, and the float rules moved to the same
    operating points; of a group one sample counts. Raises `DataError` where the samples cannot prove a level; it names every
    class that lacks some."""
    check_raw(detector, samples.x)
    pairs = list(zip(detector.decisions, budgets, strict=True))
    drawn = [one_per_group(samples, budget.own(_positive(samples, d))) for d, budget in pairs]
    grouped = samples.group is not None
    check_enough([(int(own.sum()), budget) for own, (_, budget) in zip(drawn, pairs)], grouped)
    blank = Guarantee(data_hash=data_hash(samples), grouped=grouped)
    promised = [
        _promised(decision, scores, samples, own, _span(detector, decision), budget, blank)
        for (decision, budget), own, scores in zip(pairs, drawn, fixed_scores(detector, samples.x).T, strict=True)
    ]
    return replace(detector, decisions=tuple(promised))


def _span(detector: Detector, decision: Decision) -> tuple[int, int]:
    return score_span(decision, detector.logits.integer, detector.logits.size)


def _promised(
    decision: Decision, scores: np.ndarray, samples: Labelled, drawn: np.ndarray, span: tuple[int, int], budget: Budget,
    blank: Guarantee,
) -> Decision:  # fmt: skip
    """`decision` at the threshold that keeps `budget` on those of the samples, with scores (n,), that are `drawn`
    (n,) bool; `blank` says what data they are."""
    positive = _positive(samples, decision)
    threshold, errors = choose_threshold(scores[drawn], positive[drawn], span, budget)
    promise = replace(
        blank, kind=budget.kind, level=budget.level, delta=budget.delta, samples=int(drawn.sum()), errors=errors
    )
    return replace(
        decision, threshold=threshold, float_threshold=threshold * decision.step, guarantee=promise,
        calibration_positives=int(positive.sum()), calibration_fn=int((scores[positive] < threshold).sum()),
    )  # fmt: skip


def _positive(samples: Labelled, decision: Decision) -> np.ndarray:
    assert samples.y is not None
    return samples.y == decision.positive


def with_float_misses(detector: Detector, scores: np.ndarray, samples: Labelled) -> Detector:
    """`detector` with the float model's misses on the samples, whose float scores are (n, decisions)."""

    def counted(decision: Decision, own: np.ndarray) -> Decision:
        missed = int((own[samples.y == decision.positive] < decision.float_threshold).sum())
        return replace(decision, float_calibration_fn=missed)

    return replace(detector, decisions=tuple(map(counted, detector.decisions, scores.T)))


def with_evidence(detector: Detector, samples: Labelled, table: bool) -> Detector:
    """`detector` with the hash of the data that chose its thresholds and, with `table`, its operating points.

    Raises `DataError` where a table is asked for and the samples cannot give one."""
    decisions = detector.decisions
    if samples.y is not None:
        digest = data_hash(samples)
        decisions = tuple(d if d.guarantee.promised else _with_hash(d, digest) for d in decisions)
    if table:
        scores = fixed_scores(detector, samples.x)
        decisions = tuple(
            replace(d, points=_points(d, own, samples)) for d, own in zip(decisions, scores.T, strict=True)
        )
    return replace(detector, decisions=decisions)


def _with_hash(decision: Decision, digest: str) -> Decision:
    own = Guarantee(samples=decision.calibration_positives, errors=decision.calibration_fn, data_hash=digest)
    return replace(decision, guarantee=own)


def _points(decision: Decision, scores: np.ndarray, samples: Labelled) -> tuple[OperatingPoint, ...]:
    points: tuple[OperatingPoint, ...] = ()
    if samples.y is not None:
        points = operating_points(scores, _positive(samples, decision), decision.threshold)
    if not points:
        raise DataError(
            f"--threshold-table: the calibration samples have no labels on both sides of class {decision.positive}; give some"
        )
    return points
