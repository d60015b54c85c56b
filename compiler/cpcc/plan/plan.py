"""Int8 graph and target to a plan: kernels chosen, layers striped, constants packed, every buffer placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cpcc.costs import Estimate
from cpcc.graph import Graph
from cpcc.plan.buffers import Buffer, live_buffers
from cpcc.plan.kernels import Policy, any_kernel
from cpcc.plan.memory import Arena, plan_arena
from cpcc.plan.objective import Objective
from cpcc.plan.offers import offers
from cpcc.plan.steps import Step, Stepper, layer_of, needs_of
from cpcc.plan.thrift import candidate, thrifty
from cpcc.stripes.regions import Stripe
from cpcc.stripes.rewrite import striped
from cpcc.targets import Target

__all__ = ["Plan", "Step", "estimate", "fastest_kernels", "make_plan", "needs_of", "plan_with"]


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in execution order (nodes without code are absent) and the arena. `graph` is the given one with its `stripes` laid
    out; `kernels` are those of the given one's layers, by node name. `objective` says how the C is compiled."""

    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    arena: Arena
    objective: Objective = Objective.SPEED
    stripes: tuple[Stripe, ...] = ()
    kernels: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> dict[str, list[Step]]:
        """The steps of each layer of the given graph: one, or those of its bands."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            found.setdefault(layer_of(step.node, self.graph), []).append(step)
        return found

    @property
    def buffers(self) -> list[Buffer]:
        """What lies in the arena, and how long."""
        return live_buffers(self.graph, needs_of(self.steps))


def estimate(plan: Plan) -> Estimate:
    """Of one inference."""
    core, level = plan.target.core.name, plan.objective.level
    return sum((step.kernel.cost(step.node, plan.graph, core, level) for step in plan.steps), Estimate(0, 0))


def fastest_kernels(graph: Graph, target: Target, policy: Policy = any_kernel) -> dict[str, str]:
    """Kernel by node name: the fastest, but for layers whose memory is worth more."""
    usable = offers(graph, target.core, policy)
    fastest = {node.name: candidate(node, graph, *usable[node.name][0]) for node in graph.nodes if usable[node.name]}
    chosen = thrifty(graph, fastest, lambda node: usable[node.name])
    return {name: each.kernel.name for name, each in chosen.items()}


def make_plan(graph: Graph, target: Target, policy: Policy = any_kernel, stripes: Sequence[Stripe] = ()) -> Plan:
    """The fastest plan for `graph` on `target`, but for layers whose memory is worth more. Pure: the same input gives the same
    plan."""
    return plan_with(graph, target, fastest_kernels(graph, target, policy), Objective.SPEED, stripes, policy)


def plan_with(
    graph: Graph, target: Target, kernels: Mapping[str, str], objective: Objective, stripes: Sequence[Stripe] = (),
    policy: Policy = any_kernel,
) -> Plan:  # fmt: skip
    """The plan that runs each node, or its bands, by the kernel named for it. Raises `ModelError` where no such kernel can, or
    where the graph has no such stripe."""
    laid = striped(graph, stripes)
    steps = Stepper(target.core, policy, objective.level).steps(laid, kernels)
    return Plan(laid, target, steps, plan_arena(laid, needs_of(steps)), objective, tuple(stripes), dict(kernels))
