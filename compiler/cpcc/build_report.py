"""What a build comes to: per layer and in all, beside the best dense plan for the same objective."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf, isinf
from typing import Any

from cpcc.artifacts import Sizes
from cpcc.costs import Estimate
from cpcc.detector import Network
from cpcc.fit import Wish, kernel_flash, kernels_for
from cpcc.graph import Graph, Int8, Node
from cpcc.narrowing import Narrowed
from cpcc.ops import op_of
from cpcc.ops.roll import Roll
from cpcc.plan.copies import Copies, copies
from cpcc.plan.kernels import dense_only
from cpcc.plan.plan import Plan, Step, estimate, plan_with
from cpcc.plan.sizes import stored_bytes, struct_bytes
from cpcc.quant.int16_choice import int16_layers
from cpcc.stack import StackBound
from cpcc.stripes.regions import Stripe, find_region
from cpcc.stripes.schedule import schedule

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
class StripeReport:
    """The layers `first` to `last`, computed in so many `bands` of `rows` rows of the first one's output."""

    first: str
    last: str
    rows: int
    bands: int


@dataclass(frozen=True)
class StripingReport:
    """What stripes come to: bytes of arena, estimated instructions and modelled cycles of an inference without them and with
    them, bytes of rows that are moved because the next band reads them again."""

    stripes: tuple[StripeReport, ...]
    whole_arena: int
    whole_instructions: int
    whole_cycles: int
    moved_bytes: int
    instructions: int
    cycles: int


@dataclass(frozen=True)
class BuildReport:
    """Bytes. `flash_bytes` is the model library, `constant_bytes` the part of it that is weights and tables (equal ones once), `image_bytes` the whole
    image; `copies` the layers whose weights are stored more than once; `int16_left_out` the layers that `--int16 auto` gave up so that the rest fits; `saved_flash` what sparsity saves in constants and kernel code (negative: costs); `stack_bytes` a bound by call graph, None
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
    striping: StripingReport | None = None
    copies: tuple[Copies, ...] = ()

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
                "copies": [{**asdict(each), "layers": list(each.layers)} for each in self.copies],
                "saved_instructions": self.saved_instructions}  # fmt: skip


def _decibels(value: float | None) -> float | None:
    return None if value is None or isinf(value) else value


def _cost(steps: list[Step], plan: Plan) -> Estimate:
    core, level = plan.target.core.name, plan.objective.level
    return sum((step.kernel.cost(step.node, plan.graph, core, level) for step in steps), Estimate(0, 0))


def _layer(node: Node, plan: Plan, steps: list[Step], before: Estimate, network: Network) -> LayerReport:
    cost, noise = _cost(steps, plan), network.noise.get(node.name)
    output, sparse = network.graph.output_tensor(node), any(step.kernel.sparse for step in steps)
    own, so_far = (noise.alone, noise.so_far) if noise else (None, None)
    packed = [step.packed for step in steps]
    return LayerReport(
        node.name, steps[0].kernel.name, output.shape,
        type(output.type).__name__.lower(), sum(s.macs_dense for s in steps), sum(s.macs_nonzero for s in steps),
        round(cost.instructions), round(cost.cycles), round(before.instructions if sparse else cost.instructions),
        stored_bytes(packed) + struct_bytes(packed), op_of(node, Int8).reach(node.params), _decibels(own), _decibels(so_far), own is not None and isinf(own),
    )  # fmt: skip


def _stripe(stripe: Stripe, graph: Graph) -> StripeReport:
    bands = schedule(find_region(graph, stripe), graph, stripe.rows).bands
    return StripeReport(stripe.first, stripe.last, stripe.rows, bands)


def striping_of(plan: Plan, network: Network) -> StripingReport | None:
    """What the plan's stripes save and cost, against the same kernels without them."""
    if not plan.stripes:
        return None
    whole = plan_with(network.graph, plan.target, plan.kernels, plan.objective)
    bands = tuple(_stripe(stripe, network.graph) for stripe in plan.stripes)
    moved = sum(plan.graph.output_tensor(step.node).bytes for step in plan.steps if isinstance(step.node.params, Roll))
    before, after = estimate(whole), estimate(plan)
    return StripingReport(bands, whole.arena.size, round(before.instructions), round(before.cycles), moved,
                          round(after.instructions), round(after.cycles))  # fmt: skip


def report_of(
    plan: Plan, network: Network, sizes: Sizes, wish: Wish, stack: StackBound | str, left_out: Narrowed | None
) -> BuildReport:
    """The report of a plan made for `wish`, with what its image measures and the int16 layers `left_out`."""
    kernels = kernels_for(network.graph, replace(wish, policy=dense_only), inf, inf)
    dense = plan_with(network.graph, plan.target, kernels, plan.objective, plan.stripes, dense_only)
    own, without, nodes = plan.layers, dense.layers, {node.name: node for node in network.graph.nodes}
    layers = tuple(
        _layer(nodes[name], plan, steps, _cost(without[name], dense), network) for name, steps in own.items()
    )
    sparse = any(step.kernel.sparse for step in plan.steps)
    return BuildReport(
        plan.target.name, plan.objective.value, wish.limits.flash, wish.limits.ram,
        sum(layer.instructions for layer in layers), sum(layer.cycles for layer in layers),
        sum(layer.dense_instructions for layer in layers), sizes.model_flash, stored_bytes(s.packed for s in plan.steps),
        sizes.firmware_flash, kernel_flash(dense) - kernel_flash(plan) if sparse else 0, plan.arena.size,
        plan.arena.lower_bound, plan.arena.optimal, stack.bytes if isinstance(stack, StackBound) else None, stack.path if isinstance(stack, StackBound) else (),
        "" if isinstance(stack, StackBound) else stack, tuple(int16_layers(network.graph)), left_out, layers,
        striping_of(plan, network), copies(network.graph, own),
    )  # fmt: skip
