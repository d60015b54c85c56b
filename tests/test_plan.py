"""Kernel auction and memory planner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from cpcc.costs import Estimate
from cpcc.errors import ModelError
from cpcc.ops import linear
from cpcc.ops.base import Overlap
from cpcc.ops.float_params import Linear
from cpcc.ops.linear import narrow, paired
from cpcc.plan import exact
from cpcc.plan.bound import lower_bound
from cpcc.plan.buffers import Buffer, Lag, Need
from cpcc.plan.kernels import ALIKE, priced
from cpcc.plan.lags import lags
from cpcc.plan.memory import plan_arena
from cpcc.plan.placement import Problem, problem_of, quick_plan
from cpcc.plan.plan import Plan, make_plan, needs_of
from cpcc.plan.thrift import candidate, thrifty
from cpcc.targets import TARGETS
from support import chain, detector_of
from test_differential import branching_network, random_network

STM32 = TARGETS["stm32"]


def kernel_for(keep: float, target: str = "stm32") -> str:
    rng = np.random.default_rng(0)
    weight = (rng.normal(0, 1, (32, 64)) * (rng.random((32, 64)) < keep)).astype(np.float32)
    graph = chain((64,), [(linear.OP, Linear(weight, np.zeros(32, np.float32)))])
    return make_plan(detector_of(graph, rng).graph, TARGETS[target]).steps[0].kernel.name


def test_the_cheaper_kernel_wins() -> None:
    """A silent fall back to the portable kernels dies here."""
    assert kernel_for(1.0) in ("linear_paired", "linear_narrow")
    assert kernel_for(0.1) == "linear_unrolled"
    assert kernel_for(1.0, "cortex-m3") == "linear_rows8"
    assert kernel_for(1.0, "cortex-m55") == "linear_mve"
    assert kernel_for(0.1, "cortex-m0plus") == "linear_sparse"


def test_instructions_decide_where_modelled_cycles_are_alike() -> None:
    """On the Cortex-M33 two kernels are 0.1 % apart in cycles, and 7 % in instructions the other way round."""
    rng = np.random.default_rng(0)
    layer = Linear(rng.normal(0, 1, (128, 128)).astype(np.float32), np.zeros(128, np.float32))
    graph = detector_of(chain((128,), [(linear.OP, layer)]), rng).graph
    (first, cost), (second, other) = priced(graph.nodes[0], graph, TARGETS["cortex-m33"].core)[:2]
    assert cost.instructions < other.instructions and (1 - ALIKE) * cost.cycles < other.cycles
    assert {first.name, second.name} == {"linear_paired", "linear_narrow"}
    far = min(c.cycles for _, c in priced(graph.nodes[0], graph, TARGETS["cortex-m33"].core)[2:])
    assert far > (1 + ALIKE) * max(cost.cycles, other.cycles)


def test_every_output_lives_to_the_end() -> None:
    """The first of two outputs is ready early and read by nothing but the caller."""
    eye = Linear(np.eye(6, dtype=np.float32), np.zeros(6, np.float32))
    rng = np.random.default_rng(0)
    graph = detector_of(chain((6,), [(linear.OP, eye)] * 4), rng).graph
    early = graph.nodes[1].output
    plan = make_plan(replace(graph, outputs=(early, *graph.outputs)), STM32)
    last = {buffer.name: buffer.last for buffer in plan.buffers}
    assert last[early] == last[graph.output.name] == len(graph.nodes)


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32 - 1))
def test_live_buffers_never_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network if seed % 2 else branching_network
    try:
        detector = detector_of(network(rng), rng)
    except ModelError:  # refused with reason: its accumulators might overflow
        reject()
    plan = make_plan(detector.graph, STM32)
    placed = [(b, plan.arena.offsets[b.name]) for b in plan.buffers]
    for i, (a, at) in enumerate(placed):
        assert at + a.size <= plan.arena.size
        for b, bt in placed[:i]:
            together = set(range(a.first, a.last + 1)) & set(range(b.first, b.last + 1))
            may_meet = at >= bt + distance(plan, b, a) or bt >= at + distance(plan, a, b)
            assert not together or at + a.size <= bt or bt + b.size <= at or may_meet, (a, b)
    assert plan.arena.lower_bound <= plan.arena.size


def distance(plan: Plan, ahead: Buffer, behind: Buffer) -> float:
    """The least distance at which `behind` may lie over `ahead`."""
    found = [
        lag.distance
        for lag in lags(plan.graph, needs_of(plan.steps), plan.buffers)
        if (lag.ahead, lag.behind) == (ahead.name, behind.name)
    ]
    return found[0] if found else float("inf")


def test_same_input_same_plan() -> None:
    rng = np.random.default_rng(7)
    graph = detector_of(random_network(rng), rng).graph
    assert make_plan(graph, STM32).arena == make_plan(graph, STM32).arena


def random_problem(rng: np.random.Generator) -> Problem:
    """Up to six buffers; some neighbours in time may lie over each other."""
    buffers = []
    for i in range(int(rng.integers(2, 7))):
        first = int(rng.integers(0, 4))
        buffers.append(Buffer(f"b{i}", int(rng.integers(1, 6)) * 8, first, first + int(rng.integers(0, 3))))
    pairs = [(a, b) for a in buffers for b in buffers if a is not b and a.first == b.last and a.first > b.first]
    pairs += [(b, a) for a, b in pairs if rng.random() < 0.3]
    found = [Lag(a.name, b.name, int(rng.integers(1, 4)) * 8) for a, b in pairs if rng.random() < 0.7]
    return problem_of(buffers, found)


def smallest(problem: Problem) -> int:
    """By trying every offset: the arena is 8 bytes a place."""

    def fits(b: int, at: int, placed: list[int]) -> bool:
        for p, bt in enumerate(placed):
            if p in problem.after[b] and not (at >= bt + problem.after[b][p] or bt >= at + problem.after[p][b]):
                return False
        return True

    def possible(height: int, placed: list[int]) -> bool:
        b = len(placed)
        if b == len(problem.sizes):
            return True
        return any(
            fits(b, at, placed) and possible(height, [*placed, at]) for at in range(0, height - problem.sizes[b] + 1, 8)
        )

    return next(height for height in range(max(problem.sizes), 10**6, 8) if possible(height, []))


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1))
def test_branch_and_bound_finds_the_smallest(seed: int) -> None:
    """Beside a search through all offsets; the lower bound is never above it."""
    problem = random_problem(np.random.default_rng(seed))
    bound, size = lower_bound(problem), smallest(problem)
    assert bound <= size
    worst = [sum(problem.sizes[:i]) for i in range(len(problem.sizes))]  # each behind the one before: no plan at all
    offsets, optimal = exact.improve(problem, worst, bound)
    assert optimal
    assert problem.height(offsets) == size <= problem.height(quick_plan(problem, bound))


def test_the_node_limit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that is cut off proves nothing, and keeps what it was given."""
    problem = random_problem(np.random.default_rng(1))
    worst = [sum(problem.sizes[:i]) for i in range(len(problem.sizes))]
    monkeypatch.setattr(exact, "NODE_LIMIT", 1)
    assert exact.improve(problem, worst, 0) == (worst, False)


def test_an_output_may_run_into_an_input_that_dies() -> None:
    rng = np.random.default_rng(0)
    layers = [(linear.OP, Linear(rng.normal(0, 1, (n, k)).astype(np.float32), np.zeros(n, np.float32)))
              for n, k in ((16, 64), (32, 16))]  # fmt: skip
    graph = detector_of(chain((64,), layers), rng).graph
    names = [node.name for node in graph.nodes]
    together = plan_arena(graph, {name: Need(0, Overlap(output=0)) for name in names})
    shifted = plan_arena(graph, {name: Need(0, Overlap(output=8)) for name in names})
    assert (plan_arena(graph, {}).size, together.size, shifted.size) == (80, 64, 72)
    assert together.optimal and shifted.optimal


@pytest.mark.parametrize(("extra", "kernel"), [(3, "linear_narrow"), (30, "linear_paired")])
def test_time_buys_memory_only_at_a_good_price(extra: int, kernel: str) -> None:
    """Half the arena for 1.5 per cent of the instructions, not for 15."""
    rng = np.random.default_rng(0)
    layers = [(linear.OP, Linear(rng.normal(0, 1, (16, k)).astype(np.float32), np.zeros(16, np.float32)))
              for k in (600, 16)]  # fmt: skip
    graph = detector_of(chain((600,), layers), rng).graph
    fast, slow = Estimate(100, 100), Estimate(100 + extra, 100)
    chosen = {node.name: candidate(node, graph, paired.KERNEL, fast) for node in graph.nodes}
    found = thrifty(graph, chosen, lambda node: [(paired.KERNEL, fast), (narrow.KERNEL, slow)])
    assert [found[node.name].kernel.name for node in graph.nodes] == [kernel, "linear_paired"]
