"""Whether `--max-fn-increase 0` holds on test samples: misses at 10 % of the weights against the dense network's."""

from __future__ import annotations

import numpy as np
from bench.science.cells import Cells

from cpcc.proof.evidence import interval

ARMS = ("constrained", "constrained-weighted")
LEVEL = "0.1"
HEADER = [
    "set", "arm", "FN dense (upper end)", "FN at 10 %", "seeds within", "FP dense", "FP at 10 %",
    "budget held on validation", "FN of those",
]  # fmt: skip


def budget_rows(cells: Cells) -> tuple[list[str], list[list[str]]]:
    """Header and rows. A seed is within where its FN at 10 % is at most the upper end of the 95 % Clopper-Pearson
    interval of its own dense network's FN, both at their own thresholds."""
    keys = [(data, arm) for data, arm, level in cells if level == LEVEL and arm in ARMS]
    return HEADER, [_row(cells, data, arm) for data, arm in keys]


def _row(cells: Cells, data: str, arm: str) -> list[str]:
    dense, pruned = cells[data, arm, "1"], cells[data, arm, LEVEL]
    upper = {seed: each["positives"] * _upper(each["fn"], each["positives"]) for seed, each in dense.items()}
    within = sum(each["fn"] <= upper[seed] for seed, each in pruned.items())
    held = [each["fn"] for each in pruned.values() if each["within_budget"]]
    return [
        data, arm, f"{_mean(dense, 'fn')} ({np.mean(list(upper.values())):.1f}) of {next(iter(dense.values()))['positives']}",
        _mean(pruned, "fn"), f"{within} of {len(pruned)}", _mean(dense, "fp"), _mean(pruned, "fp"),
        f"{len(held)} of {len(pruned)}", f"{np.mean(held):.1f}" if held else "-",
    ]  # fmt: skip


def _upper(errors: int, samples: int) -> float:
    found = interval(errors, samples)
    assert found is not None, "a test side without positives"
    return found[1]


def _mean(seeds: dict[int, dict[str, float]], name: str) -> str:
    return f"{np.mean([each[name] for each in seeds.values()]):.1f}"
