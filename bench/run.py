"""The table of docs/performance.md: `python bench/run.py` compiles models and single kernels, runs them on emulated cores
and writes bench/results/models.json and kernels.json, beside the figures of TensorFlow Lite Micro with CMSIS-NN.

Models are looked for in ``$CPCC_MODELS`` (default ``../shared/models`` beside the repository); missing ones are skipped."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from cost_cases import Case, graph_of
from structures import STRUCTURES, pruned

from cpcc import artifacts
from cpcc.dead_channels import drop_dead_channels
from cpcc.detector import Decision, Detector, InputSpec
from cpcc.emit import emit_library
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.qemu import QemuExecutor
from cpcc.executors.reference import ReferenceExecutor
from cpcc.frontends.tflite import to_graph
from cpcc.graph import Graph
from cpcc.ops.base import Kernel
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.plan.kernels import any_kernel, dense_only
from cpcc.plan.plan import Plan, make_plan
from cpcc.project import main_source, raw_examples
from cpcc.single_pixel import linear_where_single_pixel
from cpcc.targets import find_target

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = json.loads((RESULTS / "peers.json").read_text())
STRUCTURED = "pretrainedResnet_quant"
CORES = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m3", "cortex-m0plus", "cortex-m55")
POLICIES: dict[str, Callable[[Kernel], bool]] = {"any": any_kernel, "dense": dense_only}


@dataclass(frozen=True)
class Row:
    """One model or kernel on one core. Bytes; `weights` are the streams and arrays of the layers, `code` the rest of the
    model library in flash. `ratio` is to the peer's instructions, None where it has no figure."""

    name: str
    core: str
    policy: str
    compiler: str
    instructions: int
    per_mac: float
    ratio: float | None
    code: int
    weights: int
    arena: int
    arena_bound: int
    stack: int


def models_folder() -> Path:
    return Path(os.environ.get("CPCC_MODELS", HERE.parent.parent / "shared" / "models"))


def detector_of(graph: Graph) -> Detector:
    """Something to emit: raw int8 samples, any decision."""
    shape = graph.input.shape
    model_shape = shape if len(shape) == 1 else (shape[-1], *shape[:-1])
    ones = np.ones(shape[-1], np.float32)
    return Detector(graph, (InputSpec("int8", model_shape, ones * 0, ones),), (Decision(0, 1, 0, 0.0, 1.0, 1),))


def run(name: str, graph: Graph, core: str, policy: str, compiler: str, peer: float | None) -> Row:
    """Measured on one random sample, whose output must equal numpy's."""
    plan, detector = make_plan(graph, find_target(core), POLICIES[policy]), detector_of(graph)
    raw = np.zeros((1, *detector.input.shape), np.int8)
    main = main_source(plan, detector, "bench", raw_examples(detector, raw))
    library = emit_library(plan, detector, "bench")
    elf = artifacts.arm_image(plan, library, main, compiler)
    executor: ArmExecutor | QemuExecutor = (
        ArmExecutor(plan, detector, "bench", elf)
        if plan.target.core.unicorn_model
        else QemuExecutor(plan, artifacts.qemu_image(plan, detector, "bench", library, compiler), scores=1)
    )
    sample = np.random.default_rng(0).integers(-128, 128, (1, *graph.input.shape)).astype(np.int8)
    same = (
        executor.run(sample, quantized=True).output
        == ReferenceExecutor(plan, detector).run(sample, quantized=True).output
    )
    assert same.all(), f"{name} on {core}: differs from numpy"
    cost = executor.measure(sample)
    weights, macs = constant_bytes(plan), sum(step.macs_dense for step in plan.steps)
    return Row(
        name, core, policy, compiler, cost.instructions, round(cost.instructions / macs, 3),
        None if peer is None else round(cost.instructions / peer, 3), artifacts.image_sizes(elf).model_flash - weights,
        weights, plan.arena.size, plan.arena.lower_bound, cost.stack_bytes,
    )  # fmt: skip


def constant_bytes(plan: Plan) -> int:
    return sum(step.packed.constant_bytes for step in plan.steps)


def model_rows(cores: tuple[str, ...]) -> list[Row]:
    rows = []
    for name, peer in PEERS["models"].items():
        path = models_folder() / f"{name}.tflite"
        if not path.is_file():
            print(f"SKIPPED: {path} is not there; set CPCC_MODELS")
            continue
        graph = to_graph(path.read_bytes(), name).graph
        thinned = linear_where_single_pixel(drop_dead_channels(graph))
        for core in cores:
            rows.append(show(run(name, thinned, core, "any", "zig", peer["instructions"].get(core))))
        if "cortex-m4" in cores:
            rows.append(show(run(name, thinned, "cortex-m4", "any", "gcc", peer["instructions"]["cortex-m4"])))
            rows.append(
                show(run(f"{name} dense", graph, "cortex-m4", "dense", "zig", peer["instructions"]["cortex-m4"]))
            )
    return rows


def pruned_rows() -> list[Row]:
    """Every model at 75, 90, 95 and 99 % zeros, image classification in 1x4 blocks and ternary too."""
    rows = []
    for name, peer in PEERS["models"].items():
        path = models_folder() / f"{name}.tflite"
        if not path.is_file():
            print(f"SKIPPED: {path} is not there; set CPCC_MODELS")
            continue
        graph = to_graph(path.read_bytes(), name).graph
        for structure in STRUCTURES if name == STRUCTURED else ("single",):
            for zeros in (75, 90, 95, 99):
                thin = linear_where_single_pixel(pruned(graph, 1 - zeros / 100, STRUCTURES[structure]))
                label = f"{name} {zeros} %" if structure == "single" else f"{name} {zeros} % {structure}"
                rows.append(show(run(label, thin, "cortex-m4", "any", "zig", peer["instructions"]["cortex-m4"])))
    return rows


def show(row: Row) -> Row:
    ratio = "" if row.ratio is None else f"{row.ratio:6.3f}"
    print(
        f"{row.name:30} {row.core:13} {row.compiler:3} {row.instructions:11,} {row.per_mac:6.3f}/MAC {ratio:6} "
        f"code {row.code:6,} weights {row.weights:7,} arena {row.arena:6,} ({row.arena_bound:,}) stack {row.stack}",
        flush=True,
    )
    return row


def uniform(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape).astype(np.float32)


def kernel_cases() -> list[Case]:
    """The shapes of which CMSIS-NN's count is known; labels are the keys of peers.json."""
    rng = np.random.default_rng(0)
    found = []
    for k, n in ((256, 256), (640, 128), (64, 64), (30, 32)):
        found.append(Case(f"fc {k}x{n}", Linear(uniform(rng, n, k), np.zeros(n, np.float32)), (k,)))
    for label, shape, out, kernel, stride, padding in (
        ("1x1 64-64 25x5", (25, 5, 64), 64, (1, 1), 1, (0, 0, 0, 0)), ("1x1 8-16 48x48", (48, 48, 8), 16, (1, 1), 1, (0, 0, 0, 0)),
        ("1x1 128-128 6x6", (6, 6, 128), 128, (1, 1), 1, (0, 0, 0, 0)), ("3x3 32-32 16x16", (16, 16, 32), 32, (3, 3), 1, (1, 1, 1, 1)),
        ("3x3 16-16 32x32", (32, 32, 16), 16, (3, 3), 1, (1, 1, 1, 1)), ("3x3 3-16 32x32", (32, 32, 3), 16, (3, 3), 1, (1, 1, 1, 1)),
        ("3x3 3-8 96x96 /2", (96, 96, 3), 8, (3, 3), 2, (0, 1, 0, 1)), ("10x4 1-64 49x10 /2", (49, 10, 1), 64, (10, 4), 2, (4, 5, 1, 1)),
    ):  # fmt: skip
        conv = Conv2d(uniform(rng, out, *kernel, shape[2]), np.zeros(out, np.float32), (stride, stride), padding)
        found.append(Case(label, conv, shape))
    for label, shape, kernel, stride, padding in (
        ("depthwise 3x3 64 25x5", (25, 5, 64), (3, 3), 1, (1, 1, 1, 1)), ("depthwise 3x3 16 48x48", (48, 48, 16), (3, 3), 1, (1, 1, 1, 1)),
        ("depthwise 3x3 16 48x48 /2", (48, 48, 16), (3, 3), 2, (0, 1, 0, 1)), ("depthwise 10x1 128 24x1", (24, 1, 128), (10, 1), 1, (0, 0, 0, 0)),
    ):  # fmt: skip
        layer = DepthwiseConv2d(
            uniform(rng, *kernel, shape[2]), np.zeros(shape[2], np.float32), (stride, stride), padding
        )
        found.append(Case(label, layer, shape))
    return found + sparse_cases(rng)


def sparse_cases(rng: np.random.Generator) -> list[Case]:
    """90 % of the weights zero: counts are per MAC of the dense layer, so a tenth of that per nonzero."""
    fc, pointwise, conv = uniform(rng, 128, 640), uniform(rng, 128, 1, 1, 128), uniform(rng, 32, 3, 3, 32)
    for weight in (fc, pointwise, conv):
        weight[rng.random(weight.shape) >= 0.1] = 0
    return [
        Case("sparse 90 % fc 640x128", Linear(fc, np.zeros(128, np.float32)), (640,)),
        Case("sparse 90 % 1x1 128-128 8x8", Conv2d(pointwise, np.zeros(128, np.float32), (1, 1), (0, 0, 0, 0)), (8, 8, 128)),
        Case("sparse 90 % 3x3 32-32 16x16", Conv2d(conv, np.zeros(32, np.float32), (1, 1), (1, 1, 1, 1)), (16, 16, 32)),
    ]  # fmt: skip


def kernel_rows() -> list[Row]:
    rows = []
    for case in kernel_cases():
        graph = graph_of(case)
        macs = PEERS["kernels"].get(case.label)
        for compiler in ("zig", "gcc"):
            row = run(case.label, graph, "cortex-m4", "any", compiler, None)
            ratio = None if macs is None else round(row.per_mac / macs, 3)
            rows.append(show(Row(**{**asdict(row), "ratio": ratio})))
    return rows


def write(path: Path, found: list[Row]) -> None:
    """Rows measured now in the place of the same rows measured before; others stay."""
    rows = {(r["name"], r["core"], r["policy"], r["compiler"]): r for r in json.loads(path.read_text())}
    rows |= {(r.name, r.core, r.policy, r.compiler): asdict(r) for r in found}
    path.write_text(json.dumps(list(rows.values()), indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("models", "kernels", "pruned"))
    parser.add_argument("--core", choices=CORES, action="append")
    chosen = parser.parse_args()
    parts = {"kernels": kernel_rows, "models": lambda: model_rows(tuple(chosen.core or CORES)),
             "pruned": pruned_rows}  # fmt: skip
    for name, rows in parts.items():
        if chosen.only in (None, name):
            found = rows()
            if found:
                write(RESULTS / f"{name}.json", found)


if __name__ == "__main__":
    main()
