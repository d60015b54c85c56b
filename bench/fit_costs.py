"""Fit the planner's cost constants: `python bench/fit_costs.py` measures kernels on the emulated Cortex-M4.

Writes the measurements to bench/results/costs.json and the constants to compiler/cpcc/costs.json, and prints the worst
relative errors per kernel: of the fit, and of layers kept out of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from cpcc import artifacts
from cpcc.detector import Decision, Detector, InputSpec
from cpcc.emit import emit_library
from cpcc.executors.arm import ArmExecutor
from cpcc.fixedpoint import Requant, TfliteRequant
from cpcc.graph import Float32, Graph, Int8, Node, Tensor
from cpcc.ops import OPS, op_of
from cpcc.ops.base import Kernel
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear, Reshape
from cpcc.plan.plan import make_plan
from cpcc.project import main_source, raw_examples
from cpcc.quantize import calibrate, quantize_graph
from cpcc.targets import find_target

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "costs.json"
CONSTANTS = HERE.parent / "compiler" / "cpcc" / "costs.json"
TARGET = "cortex-m4"
Params = Linear | Conv2d | DepthwiseConv2d


@dataclass(frozen=True, eq=False)
class Case:
    """One layer. `rounding` is "once", "tflite" or "tflite relu"."""

    label: str
    params: Params
    shape: tuple[int, ...]
    rounding: str = "once"
    fit: bool = True  # else kept out, to test the fit


def pruned(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    return (rng.normal(0, 1, shape) * (rng.random(shape) < keep)).astype(np.float32)


def _linears(rng: np.random.Generator, keep: float, rounding: str, fit: bool) -> list[Case]:
    sizes = ((16, 32), (32, 64), (64, 256), (10, 640), (7, 30), (3, 64), (128, 128)) if fit else ((24, 100), (41, 333))
    relu = rounding.endswith("relu")
    return [
        Case(f"linear {k}-{n} {keep} {rounding}", Linear(pruned(rng, (n, k), keep), np.zeros(n, np.float32), relu), (k,),
             rounding, fit)
        for n, k in sizes
    ]  # fmt: skip


def _convolutions(rng: np.random.Generator, keep: float, rounding: str, fit: bool) -> list[Case]:
    shapes = (
        ((8, 8, 8), 16, (3, 3), 1, 1), ((16, 16, 3), 16, (3, 3), 1, 1), ((8, 8, 32), 32, (1, 1), 1, 0),
        ((12, 12, 16), 8, (5, 5), 1, 0), ((9, 9, 8), 7, (3, 3), 1, 0), ((25, 5, 64), 64, (1, 1), 1, 0),
        ((17, 16, 16), 12, (3, 3), 2, 1), ((24, 24, 8), 16, (1, 1), 1, 0), ((20, 10, 1), 8, (4, 4), 2, 2),
        ((5, 5, 6), 10, (3, 3), 1, 1), ((6, 6, 64), 32, (3, 3), 1, 1), ((30, 1, 40), 24, (5, 1), 1, 0),
    ) if fit else (((14, 14, 24), 20, (3, 3), 1, 1), ((7, 7, 96), 48, (1, 1), 1, 0), ((15, 15, 5), 9, (3, 3), 2, 1))  # fmt: skip
    found = []
    for shape, out, kernel, stride, pad in shapes:
        weight = pruned(rng, (out, *kernel, shape[2]), keep)
        relu = rounding.endswith("relu")
        conv = Conv2d(weight, np.zeros(out, np.float32), (stride, stride), (pad,) * 4, relu)
        size = "x".join(map(str, shape))
        label = f"conv {kernel[0]}x{kernel[1]} {size}-{out} /{stride} {keep} {rounding}"
        found.append(Case(label, conv, shape, rounding, fit))
    return found


def _depthwise(rng: np.random.Generator, rounding: str, fit: bool) -> list[Case]:
    shapes = (
        ((8, 8, 16), (3, 3), 1, 1), ((12, 12, 32), (3, 3), 1, 1), ((25, 5, 64), (3, 3), 1, 1), ((6, 6, 6), (3, 3), 1, 1),
        ((24, 24, 8), (3, 3), 1, 1), ((12, 12, 16), (3, 3), 2, 1), ((24, 1, 32), (10, 1), 1, 0), ((9, 9, 8), (5, 5), 1, 2),
        ((3, 3, 64), (3, 3), 1, 1),
    ) if fit else (((10, 14, 24), (3, 3), 1, 1), ((16, 16, 12), (3, 3), 2, 1))  # fmt: skip
    found = []
    for shape, kernel, stride, pad in shapes:
        weight = pruned(rng, (*kernel, shape[2]), 1.0)
        bias, relu = np.zeros(shape[2], np.float32), rounding.endswith("relu")
        layer = DepthwiseConv2d(weight, bias, (stride, stride), (pad,) * 4, relu)
        size = "x".join(map(str, shape))
        found.append(
            Case(f"depthwise {kernel[0]}x{kernel[1]} {size} /{stride} {rounding}", layer, shape, rounding, fit)
        )
    return found


def cases() -> list[Case]:
    rng = np.random.default_rng(0)
    found: list[Case] = []
    for fit in (True, False):
        for rounding in ("once", "tflite", "tflite relu"):
            found += _depthwise(rng, rounding, fit)
            for keep in (1.0, 0.1):
                found += _linears(rng, keep, rounding, fit) + _convolutions(rng, keep, rounding, fit)
    return found


def graph_of(case: Case) -> Graph:
    """The layer as an int8 graph with the case's rounding."""
    op = next(op for op in OPS if isinstance(case.params, op.float_params))
    out = op.infer_shape(case.params, case.shape)
    size = int(np.prod(out))
    shapes = {"x": case.shape, "y": out, "z": (size,)}
    tensors = {name: Tensor(name, shape, Float32()) for name, shape in shapes.items()}
    nodes = (Node("n", case.params, ("x",), "y"), Node("f", Reshape((size,)), ("y",), "z"))
    graph = Graph("bench", tensors, nodes, ("x",), ("z",))
    ranges = calibrate(graph, np.random.default_rng(1).normal(0, 1, (8, *case.shape)))
    return with_rounding(quantize_graph(graph, ranges), case.rounding)


def with_rounding(graph: Graph, rounding: str) -> Graph:
    if rounding == "once":
        return graph
    node = graph.nodes[0]
    output = node.params.output
    assert isinstance(output.requant, Requant)
    scales = output.requant.multiplier * 2.0 ** (output.requant.left_shift - 32)
    tflite = replace(output, requant=TfliteRequant.from_scales(scales))
    return replace(graph, nodes=(replace(node, params=replace(node.params, output=tflite)), *graph.nodes[1:]))


def measure(kernel: Kernel, graph: Graph, compiler: str = "zig") -> int:
    """Instructions of the first layer run by `kernel`."""
    plan = make_plan(graph, find_target(TARGET), lambda k: k is kernel or not op_has(kernel, k, graph))
    shape = graph.input.shape
    model_shape = shape if len(shape) == 1 else (shape[2], shape[0], shape[1])
    ones = np.ones(shape[-1], np.float32)
    detector = Detector(graph, InputSpec("int8", model_shape, ones * 0, ones), (Decision(0, 1, 0, 0.0, 1.0, 1),))
    main = main_source(plan, detector, "bench", raw_examples(detector, np.zeros((1, *model_shape), np.int8)))
    elf = artifacts.arm_image(plan, emit_library(plan, detector, "bench"), main, compiler)
    return ArmExecutor(plan, detector, "bench", elf).measure(np.zeros((1, *shape), np.int8)).layer_instructions[0]


def op_has(kernel: Kernel, other: Kernel, graph: Graph) -> bool:
    kernels = op_of(graph.nodes[0], Int8).kernels
    return kernel in kernels and other in kernels


def kernels_for(graph: Graph) -> list[Kernel]:
    """The kernels that can run the graph's first layer on the target."""
    node, features = graph.nodes[0], find_target(TARGET).core.features
    return [k for k in op_of(node, Int8).kernels if k.requires <= features and k.applies(node, graph)]


def fit(rows: list[tuple[tuple[float, ...], int]]) -> np.ndarray:
    """Constants that make the relative errors least; none is negative."""
    features = np.array([f for f, _ in rows])
    measured = np.array([m for _, m in rows], np.float64)
    return nnls(features / measured[:, None], np.ones(len(rows)))[0]


def main() -> None:
    """With names of kernels: only those are measured and fitted again."""
    names = sys.argv[1:]
    fitted: dict[str, list[tuple[tuple[float, ...], int]]] = {}
    kept_out: dict[str, list[tuple[tuple[float, ...], int]]] = {}
    rows = []
    for case in cases():
        print(case.label, flush=True)
        graph = graph_of(case)
        for kernel in [k for k in kernels_for(graph) if not names or k.name in names]:
            count = measure(kernel, graph)
            entry = (kernel.cost.features(graph.nodes[0], graph), count)  # type: ignore[attr-defined]
            (fitted if case.fit else kept_out).setdefault(kernel.name, []).append(entry)
            rows.append({"case": case.label, "kernel": kernel.name, "measured": count})
    constants = {name: fit(entries) for name, entries in sorted(fitted.items())}
    for name, weights in constants.items():
        worst = [max((abs(np.dot(f, weights) / m - 1) for f, m in part.get(name, [])), default=0.0)
                 for part in (fitted, kept_out)]  # fmt: skip
        print(
            f"{name:18} {len(fitted[name]):3} layers, worst {100 * worst[0]:5.1f} %; kept out: {100 * worst[1]:5.1f} %"
        )
    before = json.loads(CONSTANTS.read_text()) if names else {}
    fresh = {name: [round(float(v), 3) for v in weights] for name, weights in constants.items()}
    CONSTANTS.write_text(json.dumps({**before, **fresh}, indent=1, sort_keys=True) + "\n")
    kept = [row for row in json.loads(RESULTS.read_text()) if row["kernel"] not in fresh] if names else []
    RESULTS.write_text(json.dumps(kept + rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
