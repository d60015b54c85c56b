"""Arena offsets: every tensor and scratch buffer gets a place, reused once its last reader has run."""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.graph import Graph
from cpcc.plan.bound import lower_bound
from cpcc.plan.buffers import ALIGN, Needs, live_buffers, scratch_name
from cpcc.plan.exact import improve
from cpcc.plan.lags import lags
from cpcc.plan.placement import problem_of, quick_plan
from cpcc.plan.places import places


@dataclass(frozen=True)
class Arena:
    """Byte offsets by tensor name (scratch by ``scratch:<node>``), the total, a bound that no plan can beat, and whether
    it is proved that no plan is smaller than this one."""

    offsets: dict[str, int]
    size: int
    lower_bound: int
    optimal: bool


def plan_arena(graph: Graph, needs: Needs) -> Arena:
    """The smallest first-fit plan; where it is above the lower bound, the smallest that branch and bound finds."""
    buffers = live_buffers(graph, needs)
    problem = problem_of(buffers, lags(graph, needs, buffers))
    bound = lower_bound(problem)
    offsets = quick_plan(problem, bound)
    optimal = problem.height(offsets) == bound
    if not optimal:
        offsets, optimal = improve(problem, offsets, bound)
    starts = {buffer.name: at for buffer, at in zip(buffers, offsets, strict=True)}
    found = {name: starts[place.buffer] + place.offset for name, place in places(graph, needs).items()}
    scratch = {f"scratch:{n.name}": starts.get(scratch_name(n, graph)) for n in graph.nodes}
    found |= {name: at for name, at in scratch.items() if at is not None}
    found |= {name: at for name, at in starts.items() if name not in found}
    return Arena(found, max(problem.height(offsets), ALIGN), max(bound, ALIGN), optimal)
