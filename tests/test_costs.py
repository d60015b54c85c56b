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
from cpcc.code_size import kernel_code
from cpcc.costs import LEVELS, constants
from cpcc.ops import LAYOUT, OPS, PRESCRIBED, WIDE
from cpcc.plan.kernels import any_kernel
from cpcc.plan.objective import Objective
from cpcc.plan.plan import estimate, plan_with
from cpcc.plan.select import options_of
from cpcc.targets import find_target


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("core", fit_costs.CORES)
def test_estimates(core: str, level: str) -> None:
    """Instructions and modelled cycles of every kernel, as ``speed`` and as ``size`` compile it."""
    if not find_target(core).core.unicorn_model:
        need_tool("qemu-system-arm")
    runs = [(case, run) for case, run in fit_costs.runs_of(core) if not case.fit and case.rounding != "tflite"]
    measured = measure([run for _, run in runs], core, level=level)
    rows = []
    for (case, run), found in zip(runs, measured, strict=True):
        estimated = run.kernel.cost(layer(run.graph), run.graph, core, level)
        for unit in fit_costs.UNITS:
            close = pytest.approx(getattr(found, unit), rel=0.1)
            assert getattr(estimated, unit) == close, (case.label, run.kernel.name, unit)
        rows.append((case.label, estimated.cycles, found.cycles))
    for label, group in groupby(rows, key=lambda row: row[0]):
        found_costs = list(group)
        chosen = min(found_costs, key=lambda row: row[1])
        assert chosen[2] <= 1.1 * min(row[2] for row in found_costs), label


def test_clamping_is_priced() -> None:
    """A layer without weights whose outputs are clamped, which is all that it does beside loading its input."""
    case = next(case for case in fit_costs.cases() if case.label == "conv 1x1 24x24x8-16 /1 0.0 once clamped")
    graph = fit_costs.graph_of(case)
    runs = [fit_costs.Run(kernel, graph) for kernel in fit_costs.kernels_for(graph, "cortex-m4")]
    assert "conv2d_blocks8" in {run.kernel.name for run in runs}
    for run, found in zip(runs, measure(runs, "cortex-m4", level="-Os"), strict=True):
        estimated = run.kernel.cost(layer(graph), graph, "cortex-m4", "-Os")
        assert estimated.instructions == pytest.approx(found.instructions, rel=0.1), run.kernel.name


def test_every_kernel_is_fitted() -> None:
    """On some core at least, with as many constants as it has features; the others are alike."""
    names = {kernel.name: kernel.cost for op in (*OPS, *WIDE, *PRESCRIBED, *LAYOUT) for kernel in op.kernels}
    assert set(names) == set(constants()), "python bench/fit_costs.py KERNEL, or remove its constants"
    for name, cost in names.items():
        assert cost.kernel == name
        cores = {core for core, _ in constants()[name]}
        assert set(constants()[name]) == {(core, level) for core in cores for level in LEVELS}
        assert tuple(dict.fromkeys(o.level for o in Objective)) == LEVELS


def test_the_planner_asks_for_what_it_compiles() -> None:
    """With ``--optimize size`` the estimate is that of -Os, of a plan and of its layers' choice."""
    case = next(case for case in fit_costs.cases() if case.label == "linear 256-64 1.0 once")
    graph = fit_costs.graph_of(case)
    target = find_target("cortex-m4")
    found = {o: plan_with(graph, target, {"n": "linear_dense"}, o) for o in (Objective.SPEED, Objective.SIZE)}
    for objective, plan in found.items():
        (step,) = plan.steps
        assert estimate(plan) == step.kernel.cost(step.node, graph, "cortex-m4", objective.level)
        options = options_of(step.node, graph, target, kernel_code(target.core, objective.level), any_kernel)
        assert next(o for o in options if o.kernel == "linear_dense").cycles == estimate(plan).cycles
    assert estimate(found[Objective.SPEED]) != estimate(found[Objective.SIZE])
