"""Int8 graph and target to a plan: kernels chosen, constants packed, every buffer placed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpcc.errors import ModelError
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.base import Kernel, Overlap, Packed
from cpcc.plan.buffers import Buffer, Need, live_buffers
from cpcc.plan.kernels import Policy, any_kernel, priced, usable_kernels
from cpcc.plan.memory import Arena, plan_arena
from cpcc.plan.objective import Objective
from cpcc.plan.thrift import candidate, thrifty
from cpcc.targets import Target


@dataclass(frozen=True, eq=False)
class Step:
    """One call in the generated code."""

    node: Node
    kernel: Kernel
    packed: Packed
    overlap: Overlap
    macs_dense: int
    macs_nonzero: int


@dataclass(frozen=True, eq=False)
class Plan:
    """Steps in execution order (nodes without code are absent) and the arena. `objective` says how the C is compiled."""

    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    arena: Arena
    objective: Objective = Objective.SPEED

    @property
    def kernels(self) -> dict[str, str]:
        """Kernel by node name: what `plan_with` makes the same plan of."""
        return {step.node.name: step.kernel.name for step in self.steps}

    @property
    def buffers(self) -> list[Buffer]:
        """What lies in the arena, and how long."""
        return live_buffers(self.graph, needs_of(self.steps))


def needs_of(steps: tuple[Step, ...]) -> dict[str, Need]:
    return {step.node.name: Need(step.packed.scratch_bytes, step.overlap) for step in steps}


def _step(node: Node, graph: Graph, kernel: Kernel) -> Step:
    dense, nonzero = op_of(node, Int8).macs(node.params, graph.output_tensor(node).shape)
    return Step(node, kernel, kernel.pack(node, graph), kernel.overlap(node, graph), dense, nonzero)


def make_plan(graph: Graph, target: Target, policy: Policy = any_kernel) -> Plan:
    """The fastest plan for `graph` on `target`, but for layers whose memory is worth more. Pure: the same input gives the same
    plan."""
    usable = {node.name: priced(node, graph, target.core, policy) for node in graph.nodes}
    fastest = {node.name: candidate(node, graph, *usable[node.name][0]) for node in graph.nodes if usable[node.name]}
    chosen = thrifty(graph, fastest, lambda node: usable[node.name])
    kernels = [(node, chosen[node.name].kernel if node.name in chosen else None) for node in graph.nodes]
    return _planned(graph, target, kernels, Objective.SPEED)


def plan_with(graph: Graph, target: Target, kernels: Mapping[str, str], objective: Objective) -> Plan:
    """The plan that runs each node by the kernel named for it. Raises `ModelError` where no such kernel can."""
    chosen = []
    for node in graph.nodes:
        usable = usable_kernels(node, graph, target.core)
        kernel = next((k for k in usable if k.name == kernels.get(node.name)), None)
        if kernel is None and usable:
            raise ModelError(
                f"{node.name}: this cpcc has no kernel {kernels.get(node.name)} for it; run cpcc build again"
            )
        chosen.append((node, kernel))
    return _planned(graph, target, chosen, objective)


def _planned(graph: Graph, target: Target, chosen: list[tuple[Node, Kernel | None]], objective: Objective) -> Plan:
    steps = tuple(_step(node, graph, kernel) for node, kernel in chosen if kernel is not None)
    return Plan(graph, target, steps, plan_arena(graph, needs_of(steps)), objective)
