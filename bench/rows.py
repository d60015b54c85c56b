"""One row of the benchmark: a network or a kernel, compiled, compared with numpy, counted."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from cost_layers import detector_of

from cpcc import artifacts
from cpcc.emit import emit_library
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.elf import read_image
from cpcc.executors.qemu import QemuExecutor
from cpcc.executors.reference import ReferenceExecutor
from cpcc.fit import Wish, planned
from cpcc.graph import Graph, Int8
from cpcc.ops import op_of
from cpcc.plan.kernels import any_kernel, dense_only
from cpcc.plan.objective import Objective, limits_of
from cpcc.plan.plan import Plan, fastest_kernels, plan_with
from cpcc.plan.sizes import stored_bytes
from cpcc.project import main_source
from cpcc.stack import library_stack
from cpcc.stripes.frugal import stripes_and_kernels
from cpcc.stripes.regions import Stripe
from cpcc.targets import find_target

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = json.loads((RESULTS / "peers.json").read_text())
CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m3", "cortex-m0plus", "cortex-m55")
KEYS = ("name", "core", "policy", "compiler", "generator")
POLICIES = ("speed", "dense", "size", "balanced")  # dense: speed without sparse kernels
STRIPING = ("whole", "least")


@dataclass(frozen=True)
class Row:
    """One model or kernel on one core. Bytes; `weights` and `tables` are the constants of layers with and without weights, `structs` the
    layers' parameters, `stack_bound` is None for the M55, whose Helium the disassembler does not know, `code` the rest of the model library in flash. `cycles` are modelled. The ratios are to the peer, None where it has no figure."""

    name: str
    core: str
    policy: str
    compiler: str
    instructions: int
    cycles: int
    per_mac: float
    ratio: float | None
    cycle_ratio: float | None
    code: int
    weights: int
    tables: int
    structs: int
    arena: int
    arena_bound: int
    stack: int
    stack_bound: int | None


@dataclass(frozen=True)
class Peer:
    """The peer's instructions and modelled cycles, None where not known."""

    instructions: float | None = None
    cycles: float | None = None


def plan_of(graph: Graph, core: str, policy: str) -> Plan:
    """Without budgets; ``whole`` is speed without stripes, ``least`` speed with the smallest arena that stripes reach."""
    target = find_target(core)
    if policy in STRIPING:
        kernels = fastest_kernels(graph, target)
        stripes: tuple[Stripe, ...] = ()
        if policy == "least":
            stripes, kernels = stripes_and_kernels(graph, kernels, target, ram=0)
        return plan_with(graph, target, kernels, Objective.SPEED, stripes)
    objective = Objective.SPEED if policy == "dense" else Objective(policy)
    allowed = dense_only if policy == "dense" else any_kernel
    return planned(graph, Wish("bench", target, limits_of(target, None, None), objective, allowed), inf, inf)


def run(name: str, graph: Graph, core: str, policy: str, compiler: str, peer: Peer) -> Row:
    """Measured on one random sample, whose output must equal numpy's."""
    plan, detector = plan_of(graph, core, policy), detector_of(graph)
    library, main = emit_library(plan, detector, "bench"), main_source(plan, detector, "bench", [])
    elf = artifacts.arm_image(plan, library, main, compiler)
    emulated = bool(plan.target.core.unicorn_model)
    executor: ArmExecutor | QemuExecutor = (
        ArmExecutor(plan, detector, "bench", elf)
        if emulated
        else QemuExecutor(plan, artifacts.qemu_image(plan, detector, "bench", library, compiler), scores=1)
    )
    sample = np.random.default_rng(0).integers(-128, 128, (1, *graph.input.shape)).astype(np.int8)
    expected = ReferenceExecutor(plan, detector).run(sample, quantized=True).output
    assert (executor.run(sample, quantized=True).output == expected).all(), f"{name} on {core}: differs from numpy"
    cost = executor.measure(sample)
    weights, tables = constants(plan)
    structs = sum(symbol.size for name, symbol in read_image(elf).symbols.items() if name.endswith("_params"))
    macs = sum(step.macs_dense for step in plan.steps)
    return Row(
        name, core, policy, compiler, cost.instructions, cost.cycles, round(cost.instructions / macs, 3),
        _ratio(cost.instructions, peer.instructions), _ratio(cost.cycles, peer.cycles),
        artifacts.image_sizes(elf).model_flash - weights - tables - structs, weights, tables, structs, plan.arena.size, plan.arena.lower_bound,
        cost.stack_bytes, library_stack(artifacts.stack_image(plan, library, main, compiler), "bench").bytes if emulated else None,
    )  # fmt: skip


def _ratio(own: float, peer: float | None) -> float | None:
    return None if peer is None else round(own / peer, 3)


def constants(plan: Plan) -> tuple[int, int]:
    """Bytes of constants of layers with weights, and of the others."""
    with_weights = [s for s in plan.steps if op_of(s.node, Int8).weights]
    weights = stored_bytes(step.packed for step in with_weights)
    return weights, stored_bytes(step.packed for step in plan.steps) - weights


def show(row: Row) -> Row:
    ratios = "".join("      -" if r is None else f" {r:6.3f}" for r in (row.ratio, row.cycle_ratio))
    print(
        f"{row.name:30} {row.core:13} {row.policy:8} {row.compiler:3} {row.instructions:11,} {row.cycles:11,}~ {row.per_mac:7.3f}/MAC"
        f"{ratios} code {row.code:6,} weights {row.weights:7,} tables {row.tables:6,} structs {row.structs:6,} arena {row.arena:6,} ({row.arena_bound:,}) "
        f"stack {row.stack} ({row.stack_bound})",
        flush=True,
    )
    return row


def with_peer(row: Row, per_mac: float | None, cycles_per_mac: float | None, macs: int) -> Row:
    """`row` beside a peer whose figures are per MAC."""
    return replace(
        row, ratio=None if per_mac is None else round(row.per_mac / per_mac, 3),
        cycle_ratio=None if cycles_per_mac is None else round(row.cycles / macs / cycles_per_mac, 3),
    )  # fmt: skip


def write(name: str, found: Sequence[Any]) -> None:
    """Rows as JSON, one to a line: those measured now in the place of the same ones measured before; others stay."""
    path = RESULTS / f"{name}.json"
    old = json.loads(path.read_text()) if path.is_file() else []
    rows = {key_of(row): row for row in old} | {key_of(asdict(row)): asdict(row) for row in found}
    lines = ",\n".join(json.dumps(row) for _, row in sorted(rows.items()))
    path.write_text(f"[\n{lines}\n]\n")


def key_of(row: dict[str, Any]) -> str:
    """What a row is about."""
    return " ".join(str(row[part]) for part in KEYS if part in row)


def models_folder() -> Path:
    return Path(os.environ.get("CPCC_MODELS", HERE.parent.parent / "shared" / "models"))


def model_files() -> list[tuple[str, bytes]]:
    """Names and bytes of the models that are there."""
    found = []
    for name in PEERS["models"]:
        path = models_folder() / f"{name}.tflite"
        if path.is_file():
            found.append((name, path.read_bytes()))
        else:
            print(f"SKIPPED: {path} is not there; set CPCC_MODELS")
    return found
