"""bench/results as one page: `python bench/table.py` writes bench/results/table.md, the table that `make bench` ends with."""

from __future__ import annotations

import json
from typing import Any

from rows import RESULTS

NUMBERS = "Bytes; cycles are modelled, without flash wait states; ratios are to TensorFlow Lite Micro with CMSIS-NN on the same core."
COLUMNS = (
    "instructions",
    "cycles",
    "ratio",
    "cycle_ratio",
    "code",
    "weights",
    "tables",
    "structs",
    "arena",
    "stack",
    "stack_bound",
)


def rows_of(name: str) -> list[dict[str, Any]]:
    path = RESULTS / f"{name}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return found


def cell(value: object) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """Markdown."""
    head = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join(head + ["| " + " | ".join(cell(row.get(c)) for c in columns) + " |" for row in rows])


def page() -> str:
    """The whole page."""
    every = ("name", "core", "policy", "compiler", *COLUMNS)
    parts = [f"# Benchmark\n\nWritten by `make bench`. {NUMBERS}"]
    for title, name in (("Models", "models"), ("Pruned models", "pruned"), ("Networks of the zoo", "zoo_sizes")):
        parts.append(f"## {title}\n\n{table(rows_of(name), every)}")
    kernels = (
        "name",
        "compiler",
        "per_mac",
        "ratio",
        "cycle_ratio",
        "instructions",
        "cycles",
        "code",
        "weights",
        "stack",
    )
    parts.append(f"## Kernels on the Cortex-M4, instructions per MAC\n\n{table(rows_of('kernels'), kernels)}")
    mlps = ("name", "generator", "numbers", "instructions", "flash")
    parts.append(
        f"## Small fully connected networks, Cortex-M4, arm-none-eabi-gcc -O2\n\n{table(rows_of('mlps'), mlps)}"
    )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    (RESULTS / "table.md").write_text(page())
