"""Fit the planner's cost constants: `python bench/fit_costs.py [KERNEL ...]` measures kernels on the emulated cores.

Writes the measurements to bench/results/costs.json and the constants to compiler/cpcc/costs.json, and prints the worst
relative errors per kernel, core and unit: of the fit, and of layers kept out of it. With names of kernels only those are measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cost_cases import Case, cases, graph_of, layer
from cost_layers import Run, kernels_for, measure
from scipy.optimize import nnls

from cpcc.costs import Estimate

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "costs.json"
CONSTANTS = HERE.parent / "compiler" / "cpcc" / "costs.json"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
UNITS = ("instructions", "cycles")


@dataclass(frozen=True, eq=False)
class Measured:
    """One kernel on one layer and one core."""

    case: Case
    kernel: str
    core: str
    features: tuple[float, ...]
    cost: Estimate

    def of(self, unit: str) -> float:
        return float(getattr(self.cost, unit))


def runs_of(core: str, names: Sequence[str] = ()) -> list[tuple[Case, Run]]:
    """Every case with every kernel that can run it on `core`; with `names` only those."""
    found = []
    for case in cases():
        graph = graph_of(case)
        found += [(case, Run(k, graph)) for k in kernels_for(graph, core) if not names or k.name in names]
    return found


def measured(core: str, names: Sequence[str]) -> list[Measured]:
    runs = runs_of(core, names)
    costs = measure([run for _, run in runs], core)
    return [
        Measured(case, run.kernel.name, core, run.kernel.cost.features(layer(run.graph), run.graph), cost)
        for (case, run), cost in zip(runs, costs)
    ]


def fit(rows: Sequence[Measured], unit: str) -> np.ndarray:
    """Constants that make the relative errors least; none is negative."""
    features, values = np.array([row.features for row in rows]), np.array([row.of(unit) for row in rows])
    return nnls(features / values[:, None], np.ones(len(rows)))[0]


def worst(rows: Sequence[Measured], weights: Sequence[float], unit: str) -> tuple[float, str]:
    """The greatest relative error, and the layer that has it."""
    errors = [(abs(float(np.dot(r.features, weights)) / r.of(unit) - 1), r.case.label) for r in rows]
    return max(errors, default=(0.0, ""))


def constants_of(rows: Sequence[Measured]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Constants by kernel, core and unit; prints how good they are."""
    found: dict[str, Any] = {}
    for kernel, core in sorted({(r.kernel, r.core) for r in rows}):
        own = [r for r in rows if (r.kernel, r.core) == (kernel, core)]
        fitted, kept_out = [r for r in own if r.case.fit], [r for r in own if not r.case.fit]
        units = {unit: [round(float(v), 3) for v in fit(fitted, unit)] for unit in UNITS}
        found.setdefault(kernel, {})[core] = units
        for unit, weights in units.items():
            (inside, _), (outside, where) = (worst(part, weights, unit) for part in (fitted, kept_out))
            text = f"{kernel:20} {core:13} {unit:12} {len(fitted):3} layers, worst {100 * inside:5.1f} %"
            print(f"{text}; {len(kept_out)} kept out: {100 * outside:5.1f} % {where}")
    return found


def dump(constants: dict[str, Any]) -> str:
    """JSON with one line for each list."""
    kernels = []
    for kernel, cores in sorted(constants.items()):
        lines = [f'  "{core}": {json.dumps(units)}' for core, units in sorted(cores.items())]
        kernels.append(f' "{kernel}": {{\n' + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(kernels) + "\n}\n"


def main() -> None:
    names = sys.argv[1:]
    rows = []
    for core in CORES:
        rows += measured(core, names)
        print(f"{core}: {len(rows)} layers measured", flush=True)
    fresh = constants_of(rows)
    before = json.loads(CONSTANTS.read_text()) if names else {}
    CONSTANTS.write_text(dump({**before, **fresh}))
    kept = [row for row in json.loads(RESULTS.read_text()) if row[1] not in fresh] if names else []
    new = [[r.case.label, r.kernel, r.core, round(r.cost.instructions), round(r.cost.cycles)] for r in rows]
    RESULTS.write_text("[\n" + ",\n".join(json.dumps(row) for row in kept + new) + "\n]\n")


if __name__ == "__main__":
    main()
