"""Which samples calibrate what: the quantizer's and the threshold's never overlap where a promise is made.

A promise about the threshold needs a score function that was fixed before its samples were seen (docs/guarantee.md):
samples that trained the network, chose its epoch or set the quantizer's ranges are out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from cpcc.data import Dataset, sample_hashes
from cpcc.detector import Decision, Detector, check_raw, score_span, scores_of
from cpcc.errors import DataError
from cpcc.guarantee import Budget, Guarantee, choose_threshold
from cpcc.operating_points import OperatingPoint, operating_points
from cpcc.quantize import integer_outputs

QUANTIZER_DIGITS = "0123"  # first hash digits of the quarter that goes to the quantizer


@dataclass(frozen=True, eq=False)
class Labelled:
    """Raw samples (n, ...) in the model's layout and labels (n,), or None."""

    x: np.ndarray
    y: np.ndarray | None


def data_hash(samples: Labelled) -> str:
    """sha256, 64 hex digits, of samples and labels, whatever their order."""
    labels = np.full(len(samples.x), -1) if samples.y is None else samples.y
    lines = sorted(f"{h} {int(y)}\n" for h, y in zip(sample_hashes(samples.x), labels, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def divide(samples: Labelled) -> tuple[Labelled, Labelled]:
    """(quantizer's quarter, threshold's rest), by the samples' own hashes: independent of labels and order, and equal
    samples stay on one side. Raises `DataError` where one side is empty or there are no labels."""
    if samples.y is None:
        raise DataError("the promised rate needs labels; give samples with y: --calibrate or --threshold-data")
    quantizer = np.array([h[0] in QUANTIZER_DIGITS for h in sample_hashes(samples.x)])
    if quantizer.all() or not quantizer.any():
        raise DataError(
            f"{len(samples.x)} calibration samples are too few to divide between quantizer and threshold; "
            "give the threshold's own with --threshold-data"
        )
    return Labelled(samples.x[quantizer], samples.y[quantizer]), Labelled(samples.x[~quantizer], samples.y[~quantizer])


def sides(quantizer: Labelled, threshold: Dataset | None) -> tuple[Labelled, Labelled]:
    """(quantizer's, threshold's) samples for a promise: the user's own for the threshold, or else a division."""
    return divide(quantizer) if threshold is None else (quantizer, Labelled(threshold.x, threshold.labels()))


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
    """(n,) integer scores of raw samples, by the reference."""
    return scores_of(detector, integer_outputs(detector, raw))


def with_promise(detector: Detector, samples: Labelled, budget: Budget) -> Detector:
    """`detector` with the threshold that `budget` asks for, and the float rule moved to the same operating point."""
    check_raw(detector, samples.x)
    scores, positive = fixed_scores(detector, samples.x), _positive(samples, detector.decision)
    decision, logits = detector.decision, detector.logits
    threshold, errors = choose_threshold(scores, positive, score_span(decision, logits.integer, logits.size), budget)
    counted = int((positive if budget.counted == "positives" else ~positive).sum())
    promise = Guarantee(budget.kind, budget.level, budget.delta, counted, errors, data_hash(samples))
    return replace(detector, decision=replace(
        decision, threshold=threshold, float_threshold=threshold * decision.step, guarantee=promise,
        calibration_positives=int(positive.sum()), calibration_fn=int((scores[positive] < threshold).sum()),
    ))  # fmt: skip


def _positive(samples: Labelled, decision: Decision) -> np.ndarray:
    assert samples.y is not None
    return samples.y == decision.positive


def with_evidence(detector: Detector, samples: Labelled, table: bool) -> Detector:
    """`detector` with the hash of the data that chose its threshold and, with `table`, its operating points.

    Raises `DataError` where a table is asked for and the samples cannot give one."""
    decision = detector.decision
    if not decision.guarantee.promised and samples.y is not None:
        positives = decision.calibration_positives
        own = Guarantee(samples=positives, errors=decision.calibration_fn, data_hash=data_hash(samples))
        decision = replace(decision, guarantee=own)
    if table:
        decision = replace(decision, points=_points(detector, samples))
    return replace(detector, decision=decision)


def _points(detector: Detector, samples: Labelled) -> tuple[OperatingPoint, ...]:
    points: tuple[OperatingPoint, ...] = ()
    if samples.y is not None:
        positive = _positive(samples, detector.decision)
        points = operating_points(fixed_scores(detector, samples.x), positive, detector.decision.threshold)
    if not points:
        raise DataError("--threshold-table: the calibration samples have no labels of both classes; give some")
    return points
