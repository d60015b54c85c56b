"""Fit the planner's cost constants: `python bench/fit_costs.py` measures kernels on the emulated Cortex-M4.

Prints, per kernel, predicted and measured instructions over a spread of shapes, and the worst relative error.
The constants live beside the kernels, in compiler/cpcc/ops; bench/results/costs.json is the committed measurement.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from cpcc import artifacts
from cpcc.detector import Decision, Detector, InputSpec
from cpcc.emit import emit_library
from cpcc.executors.arm import ArmExecutor
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops import OPS
from cpcc.ops.base import Kernel, Op
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear, MaxPool2d, Reshape
from cpcc.plan.plan import make_plan
from cpcc.project import main_source, raw_examples
from cpcc.quantize import calibrate, quantize_graph
from cpcc.targets import find_target

RESULTS = Path(__file__).parent / "results" / "costs.json"
Case = tuple[str, object, tuple[int, ...]]


def pruned(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    return (rng.normal(0, 1, shape) * (rng.random(shape) < keep)).astype(np.float32)


def cases() -> list[Case]:
    """(label, float parameters, input shape)."""
    rng = np.random.default_rng(0)
    found: list[Case] = []
    for keep in (1.0, 0.25, 0.1):
        for n, k in ((16, 32), (32, 64), (64, 256), (10, 640)):
            found.append((f"linear {k}-{n} {keep}", Linear(pruned(rng, (n, k), keep), np.zeros(n, np.float32)), (k,)))
        for h, c, n, kernel, pad in (
            (8, 8, 16, 3, 1),
            (16, 3, 16, 3, 1),
            (8, 32, 32, 1, 0),
            (12, 16, 8, 5, 0),
            (9, 8, 7, 3, 0),
        ):
            weight = pruned(rng, (n, kernel, kernel, c), keep)
            conv = Conv2d(weight, np.zeros(n, np.float32), (1, 1), (pad,) * 4)
            found.append((f"conv {kernel}x{kernel} {c}-{n} {h}x{h} {keep}", conv, (h, h, c)))
    for h, c in ((8, 16), (12, 32)):
        dw = DepthwiseConv2d(pruned(rng, (3, 3, c), 1.0), np.zeros(c, np.float32), (1, 1), (1, 1, 1, 1))
        found.append((f"depthwise 3x3 {c} {h}x{h}", dw, (h, h, c)))
        found.append((f"maxpool 2x2 {c} {h}x{h}", MaxPool2d((2, 2), (2, 2), (0, 0, 0, 0), (h // 2, h // 2)), (h, h, c)))
    return found


def graph_of(op: Op, params: object, shape: tuple[int, ...]) -> Graph:
    out = op.infer_shape(params, shape)
    size = int(np.prod(out))
    tensors = {
        "x": Tensor("x", shape, Float32()),
        "y": Tensor("y", out, Float32()),
        "z": Tensor("z", (size,), Float32()),
    }
    return Graph(
        "bench", tensors, (Node("n", params, ("x",), "y"), Node("f", Reshape((size,)), ("y",), "z")), ("x",), ("z",)
    )


def measure(kernel: Kernel, op: Op, params: object, shape: tuple[int, ...]) -> tuple[int, float] | None:
    """(measured, predicted) instructions; None where the kernel does not apply."""
    rng = np.random.default_rng(1)
    graph = graph_of(op, params, shape)
    int8 = quantize_graph(graph, calibrate(graph, rng.normal(0, 1, (8, *shape))))
    plan = make_plan(int8, find_target("cortex-m4"), lambda k: k is kernel)
    if not plan.steps:
        return None
    channels = shape[-1]
    model_shape = shape if len(shape) == 1 else (shape[2], shape[0], shape[1])
    ones = np.ones(channels, np.float32)
    detector = Detector(int8, InputSpec("int8", model_shape, ones * 0, ones), Decision(0, 1, 0, 0.0, 1.0, 1))
    raw = np.zeros((1, *model_shape), np.int8)
    main = main_source(plan, detector, "bench", raw_examples(detector, raw))
    elf = artifacts.arm_image(plan, emit_library(plan, detector, "bench"), main)
    cost = ArmExecutor(plan, detector, "bench", elf).measure(np.zeros((1, *shape), np.int8))
    return cost.layer_instructions[0], kernel.cost(plan.steps[0].node, plan.graph)


def main() -> None:
    rows = []
    for label, params, shape in cases():
        op = next(op for op in OPS if isinstance(params, op.float_params))
        for kernel in op.kernels:
            result = measure(kernel, op, params, shape)
            if result is not None:
                rows.append(
                    {"case": label, "kernel": kernel.name, "measured": result[0], "predicted": round(result[1])}
                )
                error = result[1] / result[0] - 1
                print(
                    f"{label:28} {kernel.name:18} measured {result[0]:9,} predicted {result[1]:11,.0f} {100 * error:+6.1f} %"
                )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
