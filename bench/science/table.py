"""Tables and figures of docs/science.md from bench/science/results/trials.jsonl.

python -m bench.science.table        # rewrites the part of the page between the markers, the CSV and the figures
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from bench.science.arms import LEVELS
from bench.science.run import RESULTS, read
from scipy.stats import t as student

mpl.use("Agg")
from matplotlib import pyplot

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "science.md"
FIGURES = ROOT / "docs" / "figures"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
BLIND_ARMS = ("blind", "one-shot", "snip", "random")
MAIN_ARMS = ("blind", "one-shot", "snip", "random", "paper", "constrained")
SHOWN_LEVELS = ("1", "0.1", "0.05", "0.02", "0.01")
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
        and not _collapsed(cells, (data, arm, level))
    }
    return min(candidates, key=lambda arm: candidates[arm].mean, default="")


def _collapsed(cells: Cells, key: Key) -> bool:
    found = of(cells, key, "auc")
    return found is None or found.mean < COLLAPSED_AUC


def paired(cells: Cells, data: str, level: str, arm: str, against: str, name: str) -> Interval | None:
    """`arm` minus `against` over the seeds that both have."""
    a, b = cells.get((data, arm, level), {}), cells.get((data, against, level), {})
    seeds = sorted(a.keys() & b.keys())
    return interval(a[s][name] - b[s][name] for s in seeds) if seeds else None


def markdown(cells: Cells, lines: list[dict[str, Any]]) -> str:
    parts = [_filled(lines)]
    for data in dict.fromkeys(line["data"] for line in lines):
        parts += [
            f"### {data}\n\n![FNR at 5 % FPR and AUC against remaining weights: {data}](figures/{data}.svg)\n",
            _figures_table(cells, data),
        ]
    parts.append("### Paired differences\n\n" + _difference_table(cells, lines))
    return "\n".join(parts)


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]) + "\n"


def _filled(lines: list[dict[str, Any]]) -> str:
    """Which cells of the grid are there, and where they ran."""
    arms = list(dict.fromkeys(line["arm"] for line in lines))
    seeds: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        seeds[line["data"], line["arm"]]["GPU" if line["ran_on"] != "CPU" else "CPU"] += 1
    rows = [
        [data, *(" + ".join(f"{n} {where}" for where, n in sorted(seeds[data, arm].items())) or "-" for arm in arms)]
        for data in dict.fromkeys(line["data"] for line in lines)
    ]
    return "Seeds that have run, by device:\n\n" + _table(["set", *arms], rows)


def _figures_table(cells: Cells, data: str) -> str:
    rows = []
    for level in SHOWN_LEVELS:
        for arm in MAIN_ARMS:
            key = (data, arm, level)
            if key not in cells:
                continue
            n = len(cells[key])
            mean = {
                name: of(cells, key, name)
                for name in ("fn_half", "fp_half", "fn", "fp", "fnr_at_0.05", "fnr_at_0.1", "partial_auc", "auc")
            }
            shown = {k: v for k, v in mean.items() if v}
            positives = next(iter(cells[key].values()))["positives"]
            rows.append([
                f"{float(level):.0%}", arm + (" (collapsed)" if _collapsed(cells, key) else ""), str(n),
                f"{shown['fn_half'].mean:.1f} / {shown['fp_half'].mean:.0f}", f"{shown['fn'].mean:.1f} / {shown['fp'].mean:.0f} of {positives}",
                *(shown[name].text() for name in ("fnr_at_0.05", "fnr_at_0.1", "partial_auc", "auc")),
            ])  # fmt: skip
    header = [
        "weights",
        "arm",
        "seeds",
        "FN / FP at 0.5",
        "FN / FP at own threshold",
        "FNR at 5 % FPR",
        "FNR at 10 % FPR",
        "partial AUC",
        "AUC",
    ]
    return _table(header, rows)


def _difference_table(cells: Cells, lines: list[dict[str, Any]]) -> str:
    rows = []
    for data in dict.fromkeys(line["data"] for line in lines):
        for level in ("0.1", "0.05", "0.02"):
            rows += [row for arm in ("paper", "constrained") if (row := _difference_row(cells, data, level, arm))]
    header = [
        "set", "weights", "arm", "FN at 0.5 against blind", "AUC against blind",
        "FNR at 5 % FPR against the strongest blind", "FNR at 10 % FPR against the strongest blind",
    ]  # fmt: skip
    return _table(header, rows)


def _difference_row(cells: Cells, data: str, level: str, arm: str) -> list[str]:
    """Empty where a cell is missing or the baseline has collapsed."""
    if (
        (data, arm, level) not in cells
        or (data, "blind", level) not in cells
        or _collapsed(cells, (data, "blind", level))
    ):
        return []
    ours, blind = (of(cells, (data, name, level), "fn_half") for name in (arm, "blind"))
    assert ours is not None and blind is not None
    change = f"{ours.mean / blind.mean - 1:+.0%}" if blind.mean else "-"
    auc = paired(cells, data, level, arm, "blind", "auc")
    cols = []
    for name in ("fnr_at_0.05", "fnr_at_0.1"):
        against = strongest(cells, data, level, name)
        found = paired(cells, data, level, arm, against, name) if against else None
        mark = "**" if found and found.excludes_zero() else ""
        cols.append(f"{mark}{found.text()}{mark} ({against}, {found.n} seeds)" if found else "-")
    return [data, f"{float(level):.0%}", arm, change, auc.text() if auc else "-", *cols]


def write_csv(cells: Cells, path: Path) -> None:
    with path.open("w", newline="") as file:
        writer: Any = None
        for (data, arm, level), seeds in sorted(cells.items()):
            for seed, figures in sorted(seeds.items()):
                row = {"set": data, "arm": arm, "level": level, "seed": seed, **figures}
                if writer is None:
                    writer = csv.DictWriter(file, row.keys(), lineterminator="\n")
                    writer.writeheader()
                writer.writerow(row)


def draw(cells: Cells, data: str) -> None:
    """FNR at 5 % FPR and AUC against remaining weights, with intervals over seeds."""
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, name, title in zip(axes, ("fnr_at_0.05", "auc"), ("FNR at 5 % FPR", "AUC"), strict=True):
        for arm in MAIN_ARMS:
            points = [(level, of(cells, (data, arm, f"{level:g}"), name)) for level in LEVELS]
            known = [(level, found) for level, found in points if found]
            if known:
                x, y = [100 * level for level, _ in known], [found.mean for _, found in known]
                axis.errorbar(
                    x, y, [np.nan_to_num(found.half) for _, found in known], label=arm, marker="o", ms=3, capsize=2
                )
        axis.set(xscale="log", xlabel="remaining weights, %", title=title)
        axis.invert_xaxis()
        axis.set_xticks([100, 50, 25, 10, 5, 2, 1], ["100", "50", "25", "10", "5", "2", "1"])
        axis.minorticks_off()
    axes[0].set_ylim(0, 1)
    axes[1].legend(fontsize=7)
    figure.suptitle(data)
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / f"{data}.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    mpl.rcParams["svg.hashsalt"] = "cpcc"  # the same figures from the same data
    cells, lines = load()
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{markdown(cells, lines)}\n{END}{after}")
    write_csv(cells, RESULTS.with_name("trials.csv"))
    for data in dict.fromkeys(line["data"] for line in lines):
        draw(cells, data)


if __name__ == "__main__":
    main()
