"""The trials' figures by cell of the grid, and the statistics over seeds that the tables show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench.science.run import RESULTS, read
from scipy.stats import t as student

BLIND_ARMS = ("blind", "one-shot", "snip", "random")
COLLAPSED_AUC = 0.6
LEAST_SEEDS = 3

Key = tuple[str, str, str]  # set, arm, level
Cells = dict[Key, dict[int, dict[str, Any]]]  # by seed


@dataclass(frozen=True)
class Interval:
    """Mean over seeds and half the width of its 95 % t interval (NaN for one seed)."""

    mean: float
    half: float
    n: int

    def text(self, digits: int = 3) -> str:
        return f"{self.mean:.{digits}f}" + (f" ±{self.half:.{digits}f}" if self.n > 1 else " (1 seed)")

    def excludes_zero(self) -> bool:
        return self.n >= LEAST_SEEDS and abs(self.mean) > self.half


def interval(values: Iterable[float]) -> Interval:
    v = np.array(list(values), float)
    half = student.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else float("nan")
    return Interval(float(v.mean()), float(half), len(v))


def load(path: Path = RESULTS) -> tuple[Cells, list[dict[str, Any]]]:
    """Figures by (set, arm, level) and seed, and the lines themselves."""
    lines = list(read(path))
    cells: Cells = defaultdict(dict)
    for line in lines:
        for level, figures in line["levels"].items():
            cells[line["data"], line["arm"], level][line["seed"]] = figures
    return cells, lines


def of(cells: Cells, key: Key, name: str) -> Interval | None:
    found = cells.get(key)
    return interval(each[name] for each in found.values()) if found else None


def strongest(cells: Cells, data: str, level: str, name: str) -> str:
    """The class-blind arm with the lowest mean `name` that has not collapsed."""
    candidates = {
        arm: found
        for arm in BLIND_ARMS
        if (found := of(cells, (data, arm, level), name))
        and found.n >= LEAST_SEEDS
        and not collapsed(cells, (data, arm, level))
    }
    return min(candidates, key=lambda arm: candidates[arm].mean, default="")


def collapsed(cells: Cells, key: Key) -> bool:
    found = of(cells, key, "auc")
    return found is None or found.mean < COLLAPSED_AUC


def paired(cells: Cells, data: str, level: str, arm: str, against: str, name: str) -> Interval | None:
    """`arm` minus `against` over the seeds that both have."""
    a, b = cells.get((data, arm, level), {}), cells.get((data, against, level), {})
    seeds = sorted(a.keys() & b.keys())
    return interval(a[s][name] - b[s][name] for s in seeds) if seeds else None
