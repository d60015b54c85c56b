"""Kernel auction and memory planner."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.ops import linear
from cpcc.ops.float_params import Linear
from cpcc.plan.memory import live_buffers
from cpcc.plan.plan import make_plan
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
    """A silent fall back to the portable kernels on a core with the DSP extension dies here."""
    assert kernel_for(1.0) == "linear_paired"
    assert kernel_for(0.1) == "linear_unrolled"
    assert kernel_for(1.0, "cortex-m3") == "linear_dense"
    assert kernel_for(0.1, "cortex-m0plus") == "linear_sparse"


@settings(max_examples=80)
@given(seed=st.integers(0, 2**32 - 1))
def test_live_buffers_never_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network if seed % 2 else branching_network
    plan = make_plan(detector_of(network(rng), rng).graph, STM32)
    scratch = {step.node.name: step.packed.scratch_bytes for step in plan.steps}
    placed = [(b, plan.arena.offsets[b.name]) for b in live_buffers(plan.graph, scratch)]
    for i, (a, at) in enumerate(placed):
        assert at + a.size <= plan.arena.size
        for b, bt in placed[:i]:
            together = set(range(a.first, a.last + 1)) & set(range(b.first, b.last + 1))
            assert not together or at + a.size <= bt or bt + b.size <= at, (a, b)
    assert plan.arena.lower_bound <= plan.arena.size


def test_same_input_same_plan() -> None:
    rng = np.random.default_rng(7)
    graph = detector_of(random_network(rng), rng).graph
    assert make_plan(graph, STM32).arena == make_plan(graph, STM32).arena
