"""What a build comes to: per layer and in all, beside the best dense plan for the same objective."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf, isinf
from typing import Any

from cpcc.artifacts import Sizes
from cpcc.costs import Estimate
from cpcc.detector import Network
from cpcc.fit import Wish, kernel_flash, planned
from cpcc.graph import Int8
from cpcc.narrowing import Narrowed
from cpcc.ops import op_of
from cpcc.plan.kernels import dense_only
from cpcc.plan.plan import Plan, Step
from cpcc.plan.sizes import packed_bytes, stored_bytes
from cpcc.quant.int16_choice import int16_layers
from cpcc.quant.noise import Noise
from cpcc.stack import StackBound

SCHEMA = "cpcc-build-1"


@dataclass(frozen=True)
class LayerReport:
    """One layer. `instructions` and `cycles` are the planner's estimates (cycles modelled), `dense_instructions` those of the best
    dense kernel; `bytes` its constants in flash; `accumulator` the largest magnitude that a sum can reach whatever the input, proved
    from the constants (None without one), which the build holds within int32 (int64 where the activations are int16); `sqnr` and `sqnr_so_far` in dB, None where not known or exact."""

    name: str
    kernel: str
    shape: tuple[int, ...]
    type: str
    macs_dense: int
    macs_nonzero: int
    instructions: int
    cycles: int
    dense_instructions: int
    bytes: int
    accumulator: int | None
    sqnr: float | None
    sqnr_so_far: float | None
    exact: bool

    @property
    def cashed_in(self) -> float | None:
        """Share of the instructions that the layer saves through its zero weights; None where its kernel is dense."""
        saved = 1 - self.instructions / self.dense_instructions
        return saved if self.instructions != self.dense_instructions else None


@dataclass(frozen=True)
class BuildReport:
    """Bytes. `flash_bytes` is the model library, `constant_bytes` the part of it that is weights and tables (equal ones once), `image_bytes` the whole
    image; `int16_left_out` the layers that `--int16 auto` gave up so that the rest fits; `saved_flash` what sparsity saves in constants and kernel code (negative: costs); `stack_bytes` a bound by call graph, None
    where there is none, with the reason in `stack_note`."""

    target: str
    optimize: str
    flash_limit: int
    ram_limit: int
    instructions: int
    cycles: int
    dense_instructions: int
    flash_bytes: int
    constant_bytes: int
    image_bytes: int
    saved_flash: int
    arena_bytes: int
    arena_bound: int
    arena_optimal: bool
    stack_bytes: int | None
    stack_path: tuple[str, ...]
    stack_note: str
    int16_layers: tuple[str, ...]
    int16_left_out: Narrowed | None
    layers: tuple[LayerReport, ...]

    @property
    def saved_instructions(self) -> float:
        """Share of the dense plan's instructions."""
        return 1 - self.instructions / self.dense_instructions if self.dense_instructions else 0.0

    def as_json(self) -> dict[str, Any]:
        """Schema: cpcc/schemas/build.schema.json."""
        left_out = self.int16_left_out and {
            **asdict(self.int16_left_out), "layers": list(self.int16_left_out.layers),
            "sqnr": _decibels(self.int16_left_out.sqnr), "sqnr_int16": _decibels(self.int16_left_out.sqnr_int16),
        }  # fmt: skip
        layers = [{**asdict(layer), "shape": list(layer.shape), "cashed_in": layer.cashed_in} for layer in self.layers]
        return {"schema": SCHEMA, **asdict(self), "layers": layers, "stack_path": list(self.stack_path), "int16_layers": list(self.int16_layers),
                "int16_left_out": left_out,
                "saved_instructions": self.saved_instructions}  # fmt: skip


def _estimate(step: Step, plan: Plan) -> Estimate:
    return step.kernel.cost(step.node, plan.graph, plan.target.core.name)


def _decibels(value: float | None) -> float | None:
    return None if value is None or isinf(value) else value


def _layer(plan: Plan, step: Step, dense: Step, noise: Noise | None) -> LayerReport:
    cost, before = _estimate(step, plan), _estimate(dense, plan)
    output = plan.graph.output_tensor(step.node)
    own, so_far = (noise.alone, noise.so_far) if noise else (None, None)
    return LayerReport(
        step.node.name, step.kernel.name, output.shape,
        type(output.type).__name__.lower(), step.macs_dense, step.macs_nonzero,
        round(cost.instructions), round(cost.cycles), round(before.instructions if step.kernel.sparse else cost.instructions),
        packed_bytes(step.packed), op_of(step.node, Int8).reach(step.node.params), _decibels(own), _decibels(so_far), own is not None and isinf(own),
    )  # fmt: skip


def report_of(
    plan: Plan, network: Network, sizes: Sizes, wish: Wish, stack: StackBound | str, left_out: Narrowed | None
) -> BuildReport:
    """The report of a plan made for `wish`, with what its image measures and the int16 layers `left_out`."""
    dense = planned(plan.graph, replace(wish, policy=dense_only), inf, inf)
    pairs = zip(plan.steps, dense.steps, strict=True)
    layers = tuple(_layer(plan, step, without, network.noise.get(step.node.name)) for step, without in pairs)
    sparse = any(step.kernel.sparse for step in plan.steps)
    return BuildReport(
        plan.target.name, plan.objective.value, wish.limits.flash, wish.limits.ram,
        sum(layer.instructions for layer in layers), sum(layer.cycles for layer in layers),
        sum(layer.dense_instructions for layer in layers), sizes.model_flash, stored_bytes(step.packed for step in plan.steps),
        sizes.firmware_flash, kernel_flash(dense) - kernel_flash(plan) if sparse else 0, plan.arena.size,
        plan.arena.lower_bound, plan.arena.optimal, stack.bytes if isinstance(stack, StackBound) else None, stack.path if isinstance(stack, StackBound) else (),
        "" if isinstance(stack, StackBound) else stack, tuple(int16_layers(plan.graph)), left_out, layers,
    )  # fmt: skip
