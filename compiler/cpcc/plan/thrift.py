"""Time for memory: at the step that fills the arena, a slower kernel that needs less of it, if it saves enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cpcc.costs import Estimate
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel
from cpcc.plan.bound import bound_at, lower_bound
from cpcc.plan.buffers import Need, live_buffers
from cpcc.plan.lags import lags
from cpcc.plan.placement import Problem, problem_of

RATE = 10  # one per cent of the network's time must save this many per cent of the arena


@dataclass(frozen=True, eq=False)
class Candidate:
    """A kernel for a node, what it needs of the arena, and what its call costs."""

    kernel: Kernel
    need: Need
    cost: Estimate


Priced = Callable[[Node], list[tuple[Kernel, Estimate]]]  # the usable kernels of a node
Candidates = dict[str, Candidate]  # by node name


def candidate(node: Node, graph: Graph, kernel: Kernel, cost: Estimate) -> Candidate:
    packed = kernel.pack(node, graph)
    return Candidate(kernel, Need(packed.scratch_bytes, kernel.overlap(node, graph)), cost)


def slowdown(before: Estimate, after: Estimate, total: Estimate) -> float:
    """By what part of all layers' time `total` one layer's change prolongs it, in cycles or in instructions, whichever is
    more: cycles are modelled, instructions are exact."""
    cycles = (after.cycles - before.cycles) / max(total.cycles, 1)
    return max(cycles, (after.instructions - before.instructions) / max(total.instructions, 1))


def problem_with(graph: Graph, chosen: Candidates) -> Problem:
    """What the arena must hold."""
    needs = {name: each.need for name, each in chosen.items()}
    buffers = live_buffers(graph, needs)
    return problem_of(buffers, lags(graph, needs, buffers))


def thrifty(graph: Graph, chosen: Candidates, kernels: Priced) -> Candidates:
    """`chosen` with other `kernels` as long as each shrinks the arena's lower bound, in relation to it, by more than `RATE`
    times what it adds to the time of all layers."""
    while True:
        problem = problem_with(graph, chosen)
        bound = lower_bound(problem)
        total = sum((each.cost for each in chosen.values()), Estimate(0, 0))
        best, found = 0.0, chosen
        for node, kernel, cost in _others(graph, problem, bound, chosen, kernels):
            price = RATE * slowdown(chosen[node.name].cost, cost, total)
            if price < 1 - best:
                changed = {**chosen, node.name: candidate(node, graph, kernel, cost)}
                smaller = lower_bound(problem_with(graph, changed))
                if smaller < bound and 1 - smaller / bound - price > best:
                    best, found = 1 - smaller / bound - price, changed
        if found is chosen:
            return chosen
        chosen = found


def _others(
    graph: Graph, problem: Problem, bound: int, chosen: Candidates, kernels: Priced
) -> Iterator[tuple[Node, Kernel, Estimate]]:
    """Other kernels of the nodes that need the whole bound."""
    for i, node in enumerate(graph.nodes):
        if node.name in chosen and bound_at(problem, i) == bound:
            for kernel, cost in kernels(node):
                if kernel is not chosen[node.name].kernel:
                    yield node, kernel, cost
