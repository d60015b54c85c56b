"""What one inference costs on the emulated core: exact counts, not estimates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cpcc.artifacts import Sizes
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.qemu import QemuExecutor
from cpcc.folder import BuildFolder
from cpcc.graph import Graph, Tensor
from cpcc.ops.roll import Roll
from cpcc.plan.plan import Plan, Step
from cpcc.plan.sizes import stored_bytes
from cpcc.records import joined

SCHEMA = "cpcc-profile-1"


@dataclass(frozen=True)
class LayerProfile:
    """One layer, in one call or, where it is computed in bands of rows, in several (those that keep rows for the next band among
    them). `cycles` are modelled, not measured; `weight_bytes` are its constants: weights, indices, bias, multipliers."""

    name: str
    kernel: str
    instructions: int
    cycles: int
    macs_dense: int
    macs_nonzero: int
    weight_bytes: int
    output_bytes: int
    calls: int = 1


@dataclass(frozen=True)
class ArenaEntry:
    """A tensor or scratch buffer in the arena: `bytes` from `offset`, held from step `first` to step `last` (-1: input)."""

    name: str
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Profile:
    """Sizes in bytes; `instructions` of one steady-state call; RAM is arena plus the library's static data.
    `cycles` are modelled, with `wait_states` of the flash at each taken branch."""

    target: str
    instructions: int
    cycles: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    flash_bytes: int
    firmware_flash_bytes: int
    macs_dense: int
    macs_nonzero: int
    layers: tuple[LayerProfile, ...]
    varying_layers: tuple[str, ...] = ()
    arena: tuple[ArenaEntry, ...] = ()
    wait_states: int = 0

    @property
    def constant_time(self) -> bool:
        """Whether every probed input took the same number of instructions in every layer."""
        return not self.varying_layers

    def as_json(self) -> dict[str, Any]:
        """Schema: cpcc/schemas/profile.schema.json."""
        lists = {name: [asdict(entry) for entry in getattr(self, name)] for name in ("layers", "arena")}
        return {"schema": SCHEMA, **asdict(self), **lists, "varying_layers": list(self.varying_layers),
                "constant_time": self.constant_time}  # fmt: skip


def probes(graph: Graph) -> np.ndarray:
    """Quantized samples (4, ...) between which the instruction count must not differ: zeros, both ends, noise."""
    return joined({name: _probes(graph.tensors[name]) for name in graph.inputs})


def _probes(x: Tensor) -> np.ndarray:
    low, high, dtype = x.integer.low, x.integer.high, x.integer.dtype
    values = np.random.default_rng(0).integers(low, high + 1, (4, *x.shape)).astype(dtype)
    values[0], values[1], values[2] = 0, low, high
    return values


def arena_map(plan: Plan) -> tuple[ArenaEntry, ...]:
    """Every buffer of the arena, by offset and by first use."""
    entries = [ArenaEntry(b.name, plan.arena.offsets[b.name], b.size, b.first, b.last) for b in plan.buffers]
    return tuple(sorted(entries, key=lambda e: (e.offset, e.first, e.name)))


def _layer(name: str, steps: list[Step], counts: dict[str, tuple[int, int]], plan: Plan) -> LayerProfile:
    """`counts` are instructions and cycles by node."""
    made = sum(plan.graph.output_tensor(step.node).bytes for step in steps if not isinstance(step.node.params, Roll))
    return LayerProfile(
        name, steps[0].kernel.name, sum(counts[s.node.name][0] for s in steps), sum(counts[s.node.name][1] for s in steps),
        sum(s.macs_dense for s in steps), sum(s.macs_nonzero for s in steps), stored_bytes(s.packed for s in steps), made, len(steps),
    )  # fmt: skip


def profile(build: BuildFolder, executor: ArmExecutor | QemuExecutor, sizes: Sizes, wait_states: int = 0) -> Profile:
    """Profile of the build on zeros; on the other `probes` only whether the counts are the same."""
    plan = build.plan
    inputs = probes(plan.graph)
    cost, *others = [executor.measure(inputs[i : i + 1]) for i in range(len(inputs))]
    varying = tuple(
        step.node.name
        for i, step in enumerate(plan.steps)
        if any(other.layer_instructions[i] != cost.layer_instructions[i] for other in others)
    )
    counts = dict(zip((step.node.name for step in plan.steps), zip(cost.layer_instructions, cost.layer_cycles)))
    layers = tuple(_layer(name, steps, counts, plan) for name, steps in plan.layers.items())
    return Profile(
        plan.target.name, cost.instructions, cost.cycles, plan.arena.size + sizes.model_ram, plan.arena.size, cost.stack_bytes,
        sizes.model_flash, sizes.firmware_flash, sum(s.macs_dense for s in plan.steps),
        sum(s.macs_nonzero for s in plan.steps), layers, varying, arena_map(plan), wait_states,
    )  # fmt: skip
