"""The table of (threshold, FNR, FPR) that a device can move along: `cpcc build --threshold-table`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_POINTS = 32
PER_UNIT = 10_000  # rates are stored in hundredths of a percent


@dataclass(frozen=True)
class OperatingPoint:
    """Rates measured on the calibration samples at an integer `threshold`, in units of 1/10,000."""

    threshold: int
    fnr: int
    fpr: int


def operating_points(scores: np.ndarray, positive: np.ndarray, chosen: int) -> tuple[OperatingPoint, ...]:
    """At most MOST_POINTS points of ascending threshold, among them `chosen`; empty where a class has no sample.

    scores (n,) integer, positive (n,) bool. Thresholds between two scores decide alike: the scores themselves are all
    that can matter."""
    if not positive.any() or positive.all():
        return ()
    others = np.setdiff1d(scores, [chosen])
    places = np.linspace(0, max(len(others) - 1, 0), MOST_POINTS - 1).round().astype(int)
    thresholds = np.unique(np.append(others[places] if len(others) else others, chosen))
    return tuple(_point(scores, positive, int(threshold)) for threshold in thresholds)


def _point(scores: np.ndarray, positive: np.ndarray, threshold: int) -> OperatingPoint:
    called = scores >= threshold
    return OperatingPoint(
        threshold,
        round(PER_UNIT * float((~called[positive]).mean())),
        round(PER_UNIT * float(called[~positive].mean())),
    )
