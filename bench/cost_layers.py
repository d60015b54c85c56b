"""What single layers cost on an emulated core: many at a time in one image, since compiling is what takes time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from cost_cases import layer

from cpcc import artifacts
from cpcc.costs import Estimate
from cpcc.detector import Decision, Detector, InputSpec
from cpcc.emit import emit_library
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.qemu import QemuExecutor
from cpcc.graph import Graph, Tensor
from cpcc.ops.base import Kernel, Overlap
from cpcc.plan.buffers import round_up
from cpcc.plan.kernels import able_kernels
from cpcc.plan.memory import Arena
from cpcc.plan.objective import Objective
from cpcc.plan.plan import Plan, Step
from cpcc.project import main_source
from cpcc.targets import find_target

TOGETHER = 40  # layers in one image
TOGETHER_IN_QEMU = 8  # whose machines have less memory
FLASH = 8 * 2**20


@dataclass(frozen=True, eq=False)
class Run:
    """`kernel` on the layer of a graph of `cost_cases.graph_of`."""

    kernel: Kernel
    graph: Graph


def kernels_for(graph: Graph, core: str) -> list[Kernel]:
    """The kernels that can run the graph's layer on `core`; on the Cortex-M55 those of its own, since the others are taken to
    cost there what they cost on the Cortex-M33."""
    chosen = find_target(core).core
    own = frozenset({"mve"}) & chosen.features
    return [kernel for kernel in able_kernels(layer(graph), graph, chosen) if own <= kernel.requires]


def detector_of(graph: Graph) -> Detector:
    """Something to emit: raw int8 samples, any decision."""
    shape = graph.input.shape
    model_shape = shape if len(shape) == 1 else (shape[-1], *shape[:-1])
    ones = np.ones(shape[-1], np.float32)
    return Detector(graph, (InputSpec("int8", model_shape, ones * 0, ones),), (Decision(0, 1, 0, 0.0, 1.0, 1),))


def measure(runs: Sequence[Run], core: str, compiler: str = "zig", level: str = "-O2") -> list[Estimate]:
    """Measured, not estimated: instructions and modelled cycles of each run's layer on `core`, compiled at `level`."""
    size = TOGETHER if find_target(core).core.unicorn_model else TOGETHER_IN_QEMU
    return [cost for i in range(0, len(runs), size) for cost in _image(runs[i : i + size], core, compiler, level)]


def _image(runs: Sequence[Run], core: str, compiler: str, level: str) -> list[Estimate]:
    plan = replace(side_by_side(runs, core), objective=next(o for o in Objective if o.level == level))
    detector = detector_of(plan.graph)
    library = emit_library(plan, detector, "bench")
    sample = np.zeros((1, *plan.graph.input.shape), plan.graph.input.integer.dtype)
    if plan.target.core.unicorn_model:
        elf = artifacts.arm_image(plan, library, main_source(plan, detector, "bench", []), compiler)
        cost = ArmExecutor(plan, detector, "bench", elf).measure(sample)
    else:
        cost = QemuExecutor(plan, artifacts.qemu_image(plan, detector, "bench", library), scores=1).measure(sample)
    return [Estimate(i, c) for i, c in zip(cost.layer_instructions, cost.layer_cycles, strict=True)]


def side_by_side(runs: Sequence[Run], core: str) -> Plan:
    """One plan whose steps are the runs' layers, each on its own, all in the same memory."""
    parts = [_renamed(run, f"m{i}_") for i, run in enumerate(runs)]
    steps = tuple(step for step, _ in parts)
    first = parts[0][1]
    tensors = {name: tensor for _, own in parts for name, tensor in own.items()}
    flat = Tensor("flat", (first[steps[0].node.output].size,), first[steps[0].node.output].type)
    graph = Graph(
        "bench", {**tensors, "flat": flat}, tuple(s.node for s in steps), (steps[0].node.inputs[0],), ("flat",)
    )
    offsets, size = {"flat": 0}, 8
    for step, own in parts:
        at = 0
        for name in own:
            offsets[name] = at
            at += round_up(own[name].bytes)
        offsets[f"scratch:{step.node.name}"] = at
        size = max(size, at + round_up(step.packed.scratch_bytes))
    target = replace(find_target(core), flash_bytes=FLASH)
    return Plan(graph, target, steps, Arena(offsets, size, size, True))


def _renamed(run: Run, prefix: str) -> tuple[Step, dict[str, Tensor]]:
    """The layer as a step of its own, and its tensors by name, operands first."""
    node = layer(run.graph)
    name = re.sub(r"\W", "_", prefix + run.kernel.name)
    moved = replace(node, name=name, inputs=tuple(prefix + i for i in node.inputs), output=prefix + node.output)
    own = {prefix + t: replace(run.graph.tensors[t], name=prefix + t) for t in (*node.inputs, node.output)}
    return Step(moved, run.kernel, run.kernel.pack(node, run.graph), Overlap(), 0, 0), own
