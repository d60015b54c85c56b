"""The planner's estimates against the emulated Cortex-M4: within 10 %, and the auction takes the cheaper kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "bench"))
import fit_costs

CASES = [
    case for case in fit_costs.cases() if case[0].endswith((" 0.1", "12x12 1.0", "16 8x8", "64-32 1.0", "9x9 1.0"))
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_estimates(case: fit_costs.Case) -> None:
    op = next(op for op in fit_costs.OPS if isinstance(case[1], op.float_params))
    costs = [fit_costs.measure(kernel, op, case[1], case[2]) for kernel in op.kernels]
    for kernel, cost in zip(op.kernels, costs):
        assert cost is not None
        measured, predicted = cost
        assert predicted == pytest.approx(measured, rel=0.1), kernel.name
    chosen = min(costs, key=lambda cost: cost[1])  # type: ignore[index]
    assert chosen[0] <= 1.1 * min(measured for measured, _ in costs)  # type: ignore[index,misc]
