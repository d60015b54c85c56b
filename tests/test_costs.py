"""The planner's estimates against the emulated cores, on layers that the fit has not seen: within 10 %, and the auction takes
the cheapest kernel, or one as good."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))
import fit_costs
from cost_cases import layer
from cost_layers import measure

from conftest import need_tool
from cpcc.costs import constants
from cpcc.ops import LAYOUT, OPS, WIDE
from cpcc.targets import find_target


@pytest.mark.parametrize("core", fit_costs.CORES)
def test_estimates(core: str) -> None:
    """Instructions and modelled cycles of every kernel."""
    if not find_target(core).core.unicorn_model:
        need_tool("qemu-system-arm")
    runs = [(case, run) for case, run in fit_costs.runs_of(core) if not case.fit and case.rounding != "tflite"]
    measured = measure([run for _, run in runs], core)
    rows = []
    for (case, run), found in zip(runs, measured, strict=True):
        estimated = run.kernel.cost(layer(run.graph), run.graph, core)
        for unit in fit_costs.UNITS:
            close = pytest.approx(getattr(found, unit), rel=0.1)
            assert getattr(estimated, unit) == close, (case.label, run.kernel.name, unit)
        rows.append((case.label, estimated.cycles, found.cycles))
    for label, group in groupby(rows, key=lambda row: row[0]):
        found_costs = list(group)
        chosen = min(found_costs, key=lambda row: row[1])
        assert chosen[2] <= 1.1 * min(row[2] for row in found_costs), label


def test_every_kernel_is_fitted() -> None:
    """On some core at least, with as many constants as it has features; the others are alike."""
    names = {kernel.name: kernel.cost for op in (*OPS, *WIDE, *LAYOUT) for kernel in op.kernels}
    assert set(names) == set(constants()), "python bench/fit_costs.py KERNEL, or remove its constants"
    for name, cost in names.items():
        assert cost.kernel == name
