"""The plan that fits: planned, emitted, compiled and measured, and planned again where the image came out larger than allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from cpcc import artifacts
from cpcc.code_size import kernel_code
from cpcc.errors import DoesNotFitError, VerificationError
from cpcc.folder import library_folder
from cpcc.graph import Graph
from cpcc.names import c_prefix
from cpcc.ops.row_slice import RowSlice
from cpcc.plan.kernels import Policy, any_kernel
from cpcc.plan.objective import Limits, Objective
from cpcc.plan.plan import Plan, estimate, fastest_kernels, plan_with
from cpcc.plan.select import kernel_pieces, select_kernels
from cpcc.plan.sizes import packed_bytes, stored_bytes, struct_bytes
from cpcc.plan.steps import layer_of
from cpcc.quant.int16_choice import int16_layers
from cpcc.stack import StackBound, library_stack
from cpcc.stripes.choice import best_stripes
from cpcc.stripes.frugal import stripes_and_kernels
from cpcc.targets import Target

STACK_RESERVE = 2048  # bytes of RAM left for the stack and the application's own data


@dataclass(frozen=True)
class Wish:
    """What a plan is to be like. `policy` keeps kernels out."""

    name: str
    target: Target
    limits: Limits
    objective: Objective = Objective.SPEED
    policy: Policy = any_kernel


@dataclass(frozen=True, eq=False)
class Fitted:
    """A plan within its limits, the project's files by relative path, and what its image measures."""

    plan: Plan
    project: dict[str, str]
    sizes: artifacts.Sizes


def library_of(project: dict[str, str], name: str) -> dict[str, str]:
    """The model library's C files in a project: text by file name."""
    folder = library_folder(name)
    own = ((file, text) for file, text in project.items() if file.startswith(f"{folder}/"))
    return {file.rpartition("/")[2]: text for file, text in own if file.endswith((".c", ".h"))}


def stack_of(fitted: Fitted, name: str) -> StackBound | str:
    """The bound for an inference, input conversion and score included; or why there is none."""
    if fitted.plan.target.name == "host":
        return "stack: not read off a host's program"
    image = artifacts.stack_image(fitted.plan, library_of(fitted.project, name), fitted.project["src/main.c"])
    try:
        return library_stack(image, c_prefix(name))
    except VerificationError as error:
        if "mve" in fitted.plan.target.core.features:
            return "stack: Helium's instructions are not followed (cpcc profile measures it)"
        return str(error)


def kernel_flash(plan: Plan) -> int:
    """Bytes of a plan's constants and of its kernels' code."""
    code = kernel_code(plan.target.core, plan.objective.level)
    used = frozenset(piece for step in plan.steps for piece in kernel_pieces(code, step.kernel, step.packed))
    packed = [step.packed for step in plan.steps]
    return stored_bytes(packed) + struct_bytes(packed) + code.size(used)


def fit(graph: Graph, wish: Wish, emit: Callable[[Plan], dict[str, str]]) -> Fitted:
    """The plan of `graph` for the wish. `emit(plan)` makes its project. Raises `DoesNotFitError`."""
    flash, ram = inf, float(wish.limits.ram - STACK_RESERVE)
    allowed, seen = inf, set()
    hopeless = _held_inputs(graph) > ram  # no plan can help: an input is in memory as a whole
    while True:
        plan = planned(graph, wish, flash, allowed)
        key = (tuple(plan.kernels.items()), plan.stripes)
        if plan.arena.size > ram:
            _stop_if(hopeless or key in seen, _no_ram, plan, wish)
            allowed = min(allowed, plan.arena.size) - (plan.arena.size - ram)
        elif (constants := stored_bytes([step.packed for step in plan.steps])) > wish.limits.flash:
            # Known without a compilation, which takes minutes for constants as large as this.
            _stop_if(key in seen, _no_flash, plan, wish, constants)
            flash = min(flash, kernel_flash(plan)) - (constants - wish.limits.flash)
        else:
            project = emit(plan)
            sizes = artifacts.measure(plan, library_of(project, wish.name), project["src/main.c"])
            if sizes.firmware_flash <= wish.limits.flash:
                return Fitted(plan, project, sizes)
            _stop_if(key in seen, _no_flash, plan, wish, sizes.firmware_flash)
            flash = min(flash, kernel_flash(plan)) - (sizes.firmware_flash - wish.limits.flash)
        seen.add(key)


def planned(graph: Graph, wish: Wish, flash: float, ram: float) -> Plan:
    """The plan within bytes of `flash` for constants and kernel code, and of `ram` for the arena, where possible. Where the arena
    is too large, layers are striped or other kernels taken, whichever costs less time, or both."""
    plan = _planned(graph, wish, flash, inf, ram)
    if plan.arena.size <= ram and not plan.stripes:
        return plan
    plans = [plan] if ram == inf else [plan, _planned(graph, wish, flash, ram, ram)]
    return min(plans, key=lambda p: (max(p.arena.size - ram, 0), estimate(p).cycles))


def _planned(graph: Graph, wish: Wish, flash: float, kernels_ram: float, ram: float) -> Plan:
    """With kernels chosen for `kernels_ram` bytes of arena, and stripes for `ram`."""
    kernels = kernels_for(graph, wish, flash, kernels_ram)
    needed = wish.objective is not Objective.SPEED or flash < inf
    if needed and ram == inf:
        return plan_with(graph, wish.target, kernels, wish.objective, (), wish.policy)
    if needed:
        level = wish.objective.level
        stripes = best_stripes(graph, kernels, wish.target, wish.policy, ram, only_needed=True, level=level)
    else:
        stripes, kernels = stripes_and_kernels(graph, kernels, wish.target, wish.policy, ram)
    return plan_with(graph, wish.target, kernels, wish.objective, stripes, wish.policy)


def kernels_for(graph: Graph, wish: Wish, flash: float, ram: float) -> dict[str, str]:
    """Kernel by layer. Without limits the fastest plan needs no search."""
    if wish.objective is Objective.SPEED and flash == ram == inf:
        return fastest_kernels(graph, wish.target, wish.policy)
    code = kernel_code(wish.target.core, wish.objective.level)
    return select_kernels(graph, wish.target, wish.objective, code, flash, ram, wish.policy)


def _held_inputs(graph: Graph) -> int:
    return sum(graph.tensors[name].bytes for name in graph.inputs)


def _stop_if(known: bool, error: Callable[..., DoesNotFitError], *facts: object) -> None:
    """Where a choice comes up again there is nothing left to trade."""
    if known:
        raise error(*facts)


def _next_step(wish: Wish, otherwise: str) -> str:
    return otherwise if wish.objective is Objective.SIZE else f"Try --optimize size. {otherwise}"


def _where(wish: Wish, limit: int, whole: int, option: str) -> str:
    return f"{wish.target.name} has {whole:,}" if limit == whole else f"{option} allows {limit:,}"


def _no_ram(plan: Plan, wish: Wish) -> DoesNotFitError:
    views = {node.output for node in plan.graph.nodes if isinstance(node.params, RowSlice)}
    tensor = max((t for t in plan.graph.tensors.values() if t.name not in views), key=lambda t: t.bytes)
    where = _where(wish, wish.limits.ram, wish.target.ram_bytes, "--ram")
    bands = " even in bands of rows" if plan.stripes else ""
    held = _held_inputs(plan.graph)
    alone = (
        f" (the input alone, always whole in memory, takes {held:,})" if held > wish.limits.ram - STACK_RESERVE else ""
    )
    wide = len(int16_layers(plan.graph))
    narrower = f"Try --int16 never ({wide} layers have int16 activations). " if wide else ""
    return DoesNotFitError(
        f"{wish.name} needs {plan.arena.size:,} B of arena and {STACK_RESERVE:,} B of stack{bands}, {where} B of RAM{alone}; "
        f"largest tensor: {tensor.name} {tensor.bytes:,} B. {narrower}Use smaller inputs or fewer channels, or choose a larger --target"
    )


def _no_flash(plan: Plan, wish: Wish, need: int) -> DoesNotFitError:
    by_layer = {layer_of(s.node, plan.graph): packed_bytes(s.packed) for s in plan.steps}
    parts = sorted(by_layer.items(), key=lambda p: -p[1])
    largest = ", ".join(f"{layer} {size:,} B" for layer, size in parts[:3])
    where = _where(wish, wish.limits.flash, wish.target.flash_bytes, "--flash")
    advice = _next_step(wish, "Prune further (cpcc prune --keep) or choose a larger --target")
    return DoesNotFitError(f"{wish.name} needs {need:,} B of flash, {where}; largest: {largest}. {advice}")
