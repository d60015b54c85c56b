"""Tables and figures of docs/science.md from bench/science/results/trials.jsonl.

python -m bench.science.table        # rewrites the part of the page between the markers, the CSV and the figures
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.science.ablation_table import ablation_rows
from bench.science.budget_table import budget_rows
from bench.science.cells import Cells, collapsed, load, of, paired, strongest
from bench.science.figures import ARMS, draw
from bench.science.run import RESULTS
from bench.science.structure_table import structure_rows

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "science.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
SHOWN_LEVELS = ("1", "0.5", "0.25", "0.1", "0.05", "0.02", "0.01")
OUR_ARMS = ("paper", "constrained", "constrained-weighted")


def markdown(cells: Cells, lines: list[dict[str, Any]]) -> str:
    parts = [_filled(lines)]
    for data in dict.fromkeys(line["data"] for line in lines):
        parts += [
            f"### {data}\n\n![FNR at 5 % FPR and AUC against remaining weights: {data}](figures/{data}.svg)\n",
            _figures_table(cells, data),
        ]
    parts.append("### Paired differences\n\n" + _difference_table(cells, lines))
    parts.append("### Against the class weight alone\n\n" + _table(*ablation_rows(cells)))
    parts.append(
        "### The budget: misses at 10 % of the weights against the dense network's\n\n" + _table(*budget_rows(cells))
    )
    parts.append("### Structures and few levels\n\n" + _table(*structure_rows(cells)))
    return "\n".join(parts)


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]) + "\n"


def _filled(lines: list[dict[str, Any]]) -> str:
    """Which cells of the grid are there, and where they ran."""
    arms = list(dict.fromkeys(line["arm"] for line in lines))
    seeds: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for line in lines:  # an arm that cuts once may have several of one seed
        seeds[line["data"], line["arm"]]["GPU" if line["ran_on"] != "CPU" else "CPU"].add(line["seed"])
    rows = [
        [
            data,
            *(
                " + ".join(f"{len(own)} {where}" for where, own in sorted(seeds[data, arm].items())) or "-"
                for arm in arms
            ),
        ]
        for data in dict.fromkeys(line["data"] for line in lines)
    ]
    return "Seeds that have run, by device:\n\n" + _table(["set", *arms], rows)


def _figures_table(cells: Cells, data: str) -> str:
    rows = []
    for level in SHOWN_LEVELS:
        for arm in ARMS:
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
                f"{float(level):.0%}", arm + (" (collapsed)" if collapsed(cells, key) else ""), str(n),
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
            rows += [row for arm in OUR_ARMS if (row := _difference_row(cells, data, level, arm))]
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
        or collapsed(cells, (data, "blind", level))
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


def main() -> None:
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
