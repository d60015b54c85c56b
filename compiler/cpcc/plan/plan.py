"""Int8 graph and target to a plan: kernels chosen, constants packed, every buffer placed."""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.base import Kernel, Overlap, Packed
from cpcc.plan.buffers import Buffer, Need, live_buffers
from cpcc.plan.kernels import Policy, any_kernel, choose_kernel
from cpcc.plan.memory import Arena, plan_arena
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
    """Steps in execution order (nodes without code are absent) and the arena."""

    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    arena: Arena

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
    """The plan for `graph` on `target`. Pure: the same input gives the same plan."""
    chosen = ((node, choose_kernel(node, graph, target.core, policy)) for node in graph.nodes)
    steps = tuple(_step(node, graph, kernel) for node, kernel in chosen if kernel is not None)
    return Plan(graph, target, steps, plan_arena(graph, needs_of(steps)))
