"""What structures and few-level weights cost in misses, under the same budget."""

from __future__ import annotations

from bench.science.cells import Cells, of, paired

# Shown as; the arm.
ARMS = {
    "single weights": "constrained",
    "1x4 blocks": "constrained-blocks",
    "channels": "constrained-channels",
    "ternary": "constrained-ternary",
    "4-bit": "constrained-4bit",
}
LEVELS = ("0.25", "0.1", "0.05", "0.02")
HEADER = [
    "set", "level", "structure", "seeds", "weights left", "FN / FP at own threshold", "FNR at 5 % FPR",
    "its difference to single weights", "AUC",
]  # fmt: skip


def structure_rows(cells: Cells) -> tuple[list[str], list[list[str]]]:
    """Header and rows, for the sets on which an arm of a structure has run."""
    sets = dict.fromkeys(data for data, arm, _ in cells if arm in ARMS.values() and arm != "constrained")
    return HEADER, [
        _row(cells, data, level, name)
        for data in sets
        for level in LEVELS
        for name in ARMS
        if (data, ARMS[name], level) in cells
    ]


def _row(cells: Cells, data: str, level: str, name: str) -> list[str]:
    key = data, ARMS[name], level
    fn, fp, left, fnr, auc = (of(cells, key, each) for each in ("fn", "fp", "remaining", "fnr_at_0.05", "auc"))
    assert fn and fp and left and fnr and auc
    change = paired(cells, data, level, key[1], "constrained", "fnr_at_0.05") if key[1] != "constrained" else None
    bold = "**" if change and change.excludes_zero() else ""
    return [
        data, f"{float(level):.0%}", name, str(fn.n), f"{left.mean:.1%}", f"{fn.mean:.1f} / {fp.mean:.0f}", fnr.text(),
        f"{bold}{change.text()}{bold}" if change else "-", auc.text(),
    ]  # fmt: skip
