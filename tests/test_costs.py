"""The planner's estimates against the emulated Cortex-M4, on layers that the fit has not seen: within 10 %, and the
auction takes the cheapest kernel, or one as good."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))
import fit_costs

CASES = [case for case in fit_costs.cases() if not case.fit and case.rounding != "tflite"]


@pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])
def test_estimates(case: fit_costs.Case) -> None:
    graph = fit_costs.graph_of(case)
    kernels = fit_costs.kernels_for(graph)
    assert len(kernels) > 1
    measured = {kernel.name: fit_costs.measure(kernel, graph) for kernel in kernels}
    estimated = {kernel.name: kernel.cost(graph.nodes[0], graph) for kernel in kernels}
    for name in measured:
        assert estimated[name] == pytest.approx(measured[name], rel=0.1), name
    chosen = min(estimated, key=lambda name: estimated[name])
    assert measured[chosen] <= 1.1 * min(measured.values())
