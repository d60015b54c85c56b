"""What one inference costs on the emulated core: exact counts, not estimates."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cpcc.artifacts import Sizes
from cpcc.executors.arm import ArmExecutor
from cpcc.folder import BuildFolder

SCHEMA = "cpcc-profile-1"


@dataclass(frozen=True)
class LayerProfile:
    """One layer call. `cycles` are modelled, not measured; `weight_bytes` are its constants: weights, indices, bias, multipliers."""

    name: str
    kernel: str
    instructions: int
    cycles: int
    macs_dense: int
    macs_nonzero: int
    weight_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class Profile:
    """Sizes in bytes; `instructions` of one steady-state call; RAM is arena plus the library's static data."""

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

    def as_json(self) -> dict[str, Any]:
        """Schema: cpcc/schemas/profile.schema.json."""
        return {"schema": SCHEMA, **asdict(self), "layers": [asdict(layer) for layer in self.layers]}


def profile(build: BuildFolder, executor: ArmExecutor, sizes: Sizes) -> Profile:
    """Profile of the build. The input is all zero points: counts do not depend on the data."""
    plan = build.plan
    sample = np.zeros((1, *plan.graph.input.shape), np.int8)
    cost = executor.measure(sample)
    layers = tuple(
        LayerProfile(
            step.node.name, step.kernel.name, count, cycles, step.macs_dense, step.macs_nonzero,
            sum(v.nbytes for v in step.packed.struct.values() if isinstance(v, np.ndarray)),
            plan.graph.output_tensor(step.node).size,
        )
        for step, count, cycles in zip(plan.steps, cost.layer_instructions, cost.layer_cycles)
    )  # fmt: skip
    return Profile(
        plan.target.name, cost.instructions, cost.cycles, plan.arena.size + sizes.model_ram, plan.arena.size, cost.stack_bytes,
        sizes.model_flash, sizes.firmware_flash, sum(s.macs_dense for s in plan.steps),
        sum(s.macs_nonzero for s in plan.steps), layers,
    )  # fmt: skip
