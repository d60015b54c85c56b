"""Fit the planner's cost constants: `python bench/fit_costs.py [KERNEL ...] [--level LEVEL]` measures kernels on the emulated cores, at every level of
optimization.

Writes the measurements to bench/results/costs.json (layer, kernel, core, then instructions and cycles for each level) and the constants to
compiler/cpcc/costs.json, and prints the worst relative errors per kernel, core, level and unit: of the fit, and of layers kept out of it.
With names of kernels, or a level, only those are measured, and the rest stays."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from cost_cases import Case, cases, graph_of, layer
from cost_layers import Run, kernels_for, measure
from scipy.optimize import nnls

from cpcc.costs import LEVELS, Estimate

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "costs.json"
CONSTANTS = HERE.parent / "compiler" / "cpcc" / "costs.json"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
UNITS = ("instructions", "cycles")
FEW = 48  # layers to which a kernel is fitted at -Os: a check on all of the Cortex-M4's gave errors of at most 8 % for 7 %


@dataclass(frozen=True, eq=False)
class Measured:
    """One kernel on one layer and one core; the costs by level."""

    case: Case
    kernel: str
    core: str
    features: tuple[float, ...]
    costs: dict[str, Estimate]

    def of(self, level: str, unit: str) -> float:
        return float(getattr(self.costs[level], unit))


def runs_of(core: str, names: Sequence[str] = ()) -> list[tuple[Case, Run]]:
    """Every case with every kernel that can run it on `core`; with `names` only those."""
    found = []
    for case in cases():
        graph = graph_of(case)
        found += [(case, Run(k, graph)) for k in kernels_for(graph, core) if not names or k.name in names]
    return found


def sample(runs: Sequence[tuple[Case, Run]], level: str) -> list[int]:
    """Which of `runs` are measured at `level`: all at -O2; else `FEW` of each kernel's, evenly, of those that are fitted."""
    if level == "-O2":
        return list(range(len(runs)))
    own: dict[str, list[int]] = {}
    for i, (case, run) in enumerate(runs):
        if case.fit:
            own.setdefault(run.kernel.name, []).append(i)
    return sorted(each[j * len(each) // n] for each in own.values() for n in (min(FEW, len(each)),) for j in range(n))


def measured(core: str, names: Sequence[str], levels: Sequence[str]) -> list[Measured]:
    runs = runs_of(core, names)
    costs: list[dict[str, Estimate]] = [{} for _ in runs]
    for level in levels:
        chosen = sample(runs, level)
        for i, cost in zip(chosen, measure([runs[i][1] for i in chosen], core, level=level), strict=True):
            costs[i][level] = cost
    return [
        Measured(case, run.kernel.name, core, run.kernel.cost.features(layer(run.graph), run.graph), own)
        for (case, run), own in zip(runs, costs, strict=True)
        if own
    ]


def fit(rows: Sequence[Measured], level: str, unit: str) -> np.ndarray:
    """Constants that make the relative errors least; none is negative."""
    features, values = np.array([row.features for row in rows]), np.array([row.of(level, unit) for row in rows])
    return nnls(features / values[:, None], np.ones(len(rows)))[0]


def worst(rows: Sequence[Measured], weights: Sequence[float], level: str, unit: str) -> tuple[float, str]:
    """The greatest relative error, and the layer that has it."""
    errors = [(abs(float(np.dot(r.features, weights)) / r.of(level, unit) - 1), r.case.label) for r in rows]
    return max(errors, default=(0.0, ""))


def constants_of(rows: Sequence[Measured], levels: Sequence[str]) -> dict[str, Any]:
    """Constants by kernel, core, level and unit; prints how good they are."""
    found: dict[str, Any] = {}
    for kernel, core in sorted({(r.kernel, r.core) for r in rows}):
        own = [r for r in rows if (r.kernel, r.core) == (kernel, core)]
        for level, unit in product(levels, UNITS):
            there = [r for r in own if level in r.costs]
            fitted, kept_out = [r for r in there if r.case.fit], [r for r in there if not r.case.fit]
            weights = [round(float(v), 3) for v in fit(fitted, level, unit)]
            found.setdefault(kernel, {}).setdefault(core, {}).setdefault(level, {})[unit] = weights
            (inside, _), (outside, where) = (worst(part, weights, level, unit) for part in (fitted, kept_out))
            text = f"{kernel:20} {core:13} {level} {unit:12} {len(fitted):3} layers, worst {100 * inside:5.1f} %"
            print(f"{text}; {len(kept_out)} kept out: {100 * outside:5.1f} % {where}")
    return found


def dump(constants: dict[str, Any]) -> str:
    """JSON with one line for each list."""
    kernels = []
    for kernel, cores in sorted(constants.items()):
        lines = []
        for core, levels in sorted(cores.items()):
            own = ",\n".join(f'   "{level}": {json.dumps(units)}' for level, units in levels.items())
            lines.append(f'  "{core}": {{\n{own}\n  }}')
        kernels.append(f' "{kernel}": {{\n' + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(kernels) + "\n}\n"


def merged(before: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    """Constants of `before` with those of `fresh` in their places, by kernel, core and level."""
    found = {kernel: {core: dict(levels) for core, levels in cores.items()} for kernel, cores in before.items()}
    for kernel, cores in fresh.items():
        for core, levels in cores.items():
            own = found.setdefault(kernel, {}).setdefault(core, {}) | levels
            found[kernel][core] = {level: own[level] for level in LEVELS if level in own}
    return found


def table(rows: Sequence[Measured], before: Sequence[list[Any]]) -> list[list[Any]]:
    """Rows of the results, with what was measured `before` at other levels."""
    known = {tuple(row[:3]): row[3:] for row in before}
    for row in rows:
        key = (row.case.label, row.kernel, row.core)
        old = known.get(key, [None] * (len(LEVELS) * len(UNITS)))
        at = list(product(LEVELS, UNITS))
        known[key] = [round(row.of(*each)) if each[0] in row.costs else was for each, was in zip(at, old, strict=True)]
    return [[*key, *values] for key, values in known.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "kernel", nargs="*", help="measure these alone; all by default, and others' constants are dropped"
    )
    parser.add_argument("--level", choices=LEVELS, action="append", help="measure this alone")
    chosen = parser.parse_args()
    levels = tuple(chosen.level or LEVELS)
    with ProcessPoolExecutor() as pool:
        rows = [row for own in pool.map(partial(measured, names=chosen.kernel, levels=levels), CORES) for row in own]
    fresh, again = constants_of(rows, levels), bool(chosen.kernel or chosen.level)
    CONSTANTS.write_text(dump(merged(json.loads(CONSTANTS.read_text()) if again else {}, fresh)))
    known = json.loads(RESULTS.read_text()) if again else []
    before = [row for row in known if chosen.level or row[1] not in fresh]
    RESULTS.write_text("[\n" + ",\n".join(json.dumps(row) for row in table(rows, before)) + "\n]\n")


if __name__ == "__main__":
    main()
