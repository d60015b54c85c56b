"""What the ranking term and the budget add to the class weight alone: the arms that have both beside `weighted`."""

from __future__ import annotations

from bench.science.cells import Cells, Interval, collapsed, of, paired

BASELINE = "weighted"
ARMS = ("paper", "constrained", "constrained-weighted")
LEVELS = ("0.1", "0.05", "0.02")
HEADER = [
    "set", "weights", "arm", "paired seeds", "FN at 0.5", "of `weighted`", "FNR at 5 % FPR, difference",
    "FNR at 10 % FPR, difference", "AUC, difference",
]  # fmt: skip


def ablation_rows(cells: Cells) -> tuple[list[str], list[list[str]]]:
    """Header and rows, for the sets on which `weighted` has run and did not collapse."""
    sets = dict.fromkeys(data for data, arm, _ in cells if arm == BASELINE)
    return HEADER, [
        _row(cells, data, level, arm)
        for data in sets
        for level in LEVELS
        for arm in ARMS
        if (data, arm, level) in cells and not collapsed(cells, (data, BASELINE, level))
    ]


def _row(cells: Cells, data: str, level: str, arm: str) -> list[str]:
    ours, theirs = (of(cells, (data, each, level), "fn_half") for each in (arm, BASELINE))
    changes = [paired(cells, data, level, arm, BASELINE, name) for name in ("fnr_at_0.05", "fnr_at_0.1", "auc")]
    assert ours and theirs
    seeds = changes[0].n if changes[0] else 0
    cells_of = [f"{ours.mean:.1f}", f"{theirs.mean:.1f}", *(_marked(change) for change in changes)]
    return [data, f"{float(level):.0%}", arm, str(seeds), *cells_of]


def _marked(change: Interval | None) -> str:
    bold = "**" if change and change.excludes_zero() else ""
    return f"{bold}{change.text()}{bold}" if change else "-"
