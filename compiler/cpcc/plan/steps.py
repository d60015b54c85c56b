"""From nodes and kernels to the calls of the generated code. Bands of a layer that differ only in their place are packed once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from cpcc.costs import Estimate
from cpcc.errors import ModelError
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.base import Kernel, Overlap, Packed
from cpcc.plan.buffers import Need
from cpcc.plan.kernels import Policy, any_kernel, named_kernel, usable_kernels
from cpcc.targets import Core


@dataclass(frozen=True, eq=False)
class Step:
    """One call in the generated code."""

    node: Node
    kernel: Kernel
    packed: Packed
    overlap: Overlap
    macs_dense: int
    macs_nonzero: int


def needs_of(steps: tuple[Step, ...]) -> dict[str, Need]:
    return {step.node.name: Need(step.packed.scratch_bytes, step.overlap) for step in steps}


def layer_of(node: Node, graph: Graph) -> str:
    """The name of the layer that `node` is a band of; its own where it is none."""
    band = graph.bands.get(node.output)
    return band.layer if band else node.name


class Stepper:
    """Makes steps for a `core`, with kernels that the `policy` allows, compiled at `level`; remembers those of equal nodes. Graphs
    whose nodes it was given must outlive it."""

    def __init__(self, core: Core, policy: Policy = any_kernel, level: str = "-O2") -> None:
        self._core, self._policy, self._level = core, policy, level
        self._steps: dict[Hashable, tuple[Step | None, Estimate]] = {}

    def steps(self, graph: Graph, kernels: Mapping[str, str]) -> tuple[Step, ...]:
        """Of the nodes with code, each by the kernel named for its layer. Raises `ModelError` where a layer has no such
        kernel; a band that it cannot run takes the one of fewest cycles."""
        found = (self._known(node, graph, kernels)[0] for node in graph.nodes)
        return tuple(step for step in found if step is not None)

    def cost(self, graph: Graph, kernels: Mapping[str, str]) -> Estimate:
        """Of all steps."""
        return sum((self._known(node, graph, kernels)[1] for node in graph.nodes), Estimate(0, 0))

    def _known(self, node: Node, graph: Graph, kernels: Mapping[str, str]) -> tuple[Step | None, Estimate]:
        name = kernels.get(layer_of(node, graph))
        key = (name, _signature(node, graph))
        if key not in self._steps:
            self._steps[key] = self._made(node, graph, name)
        step, cost = self._steps[key]
        return (None if step is None else replace(step, node=node)), cost

    def _made(self, node: Node, graph: Graph, name: str | None) -> tuple[Step | None, Estimate]:
        kernel = self._kernel(node, graph, name)
        if kernel is None:
            return None, Estimate(0, 0)
        dense, nonzero = op_of(node, Int8).macs(node.params, graph.output_tensor(node).shape)
        step = Step(node, kernel, kernel.pack(node, graph), kernel.overlap(node, graph), dense, nonzero)
        return step, kernel.cost(node, graph, self._core.name, self._level)

    def _kernel(self, node: Node, graph: Graph, name: str | None) -> Kernel | None:
        banded = node.output in graph.bands
        policy = self._policy if banded else any_kernel
        found = named_kernel(name, node, graph, self._core, policy)
        if found is not None or not op_of(node, Int8).kernels:
            return found
        if not banded:
            raise ModelError(f"{node.name}: this cpcc has no kernel {name} for it; run cpcc build again")
        usable = usable_kernels(node, graph, self._core, policy)
        return min(usable, key=lambda k: k.cost(node, graph, self._core.name, self._level).cycles)


def _signature(node: Node, graph: Graph) -> Hashable:
    """Equal for nodes that the same kernel runs in the same way."""
    values: list[Any] = [getattr(node.params, field.name) for field in fields(node.params)]
    own = tuple(id(value) if isinstance(value, np.ndarray) else value for value in values)
    tensors = tuple((t.shape, t.type) for t in (*graph.input_tensors(node), graph.output_tensor(node)))
    return type(node.params), own, tensors, node.output in graph.bands
