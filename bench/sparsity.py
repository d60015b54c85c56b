"""Speed against sparsity, kernel by kernel: `python bench/sparsity.py` runs layers at several shares of zeros on the
emulated Cortex-M4 and writes bench/results/sparsity.json and docs/figures/sparsity.svg.

Also measured there: bytes that a nonzero weight takes, in the layers of a pruned image classifier."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
from cost_cases import Case, graph_of, layer
from cost_layers import Run, kernels_for, measure
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from models import STRUCTURED
from rows import model_files, plan_of
from structures import STRUCTURES, pruned

from cpcc.formats.rounding import constant_outputs
from cpcc.frontends.tflite import to_graph
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.base import Kernel
from cpcc.ops.conv2d import QConv2d
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.ops.linear import QLinear
from cpcc.plan.plan import Step

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "sparsity.json"
FIGURE = HERE.parent / "docs" / "figures" / "sparsity.svg"
ZEROS = (0, 25, 50, 60, 70, 75, 80, 85, 90, 95, 97, 99)
DENSE = {
    "1x1 128-128 8x8": "conv2d_paired", "3x3 32-32 16x16": "conv2d_paired", "fc 640x128": "linear_paired",
    "depthwise 3x3 64 25x5": "depthwise_tall", "depthwise 3x3 16 48x48 /2": "depthwise_stride2", "depthwise 10x1 128 24x1": "depthwise_column",
}  # fmt: skip
KERNELS = (
    "conv2d_sparse8", "conv2d_blocks8", "conv2d_signs8", "conv2d_unrolled", "depthwise_unrolled", "linear_sparse2", "linear_unrolled", "linear_blocks",
)  # fmt: skip
STRUCTURE_OF = {"conv2d_blocks8": "blocks", "conv2d_signs8": "ternary", "linear_blocks": "blocks"}
LAYERS = tuple(DENSE)
DEPTHWISE = {
    "depthwise 3x3 64 25x5": ((25, 5, 64), (3, 3), 1, (1, 1, 1, 1)), "depthwise 3x3 16 48x48 /2": ((48, 48, 16), (3, 3), 2, (0, 1, 0, 1)),
    "depthwise 10x1 128 24x1": ((24, 1, 128), (10, 1), 1, (0, 0, 0, 0)),
}  # fmt: skip
# Bytes that a row takes whatever its weights, with TensorFlow Lite's rounding (bias or start, first and last jump, constants),
# and one whose output is constant.
ROW_BYTES = {
    "conv2d_sparse8": (16 + 4 + 8, 20), "conv2d_blocks8": (4 + 4 + 12, 7), "conv2d_signs8": (6 + 16, 5), "linear_sparse2": (24, 24),
}  # fmt: skip
PORTABLE = (
    "conv2d_sparse",
    "conv2d_few",
    "conv2d_blocks",
    "linear_sparse",
    "linear_few",
    "linear_blocks",
    "linear_near_blocks",
)  # counts: one a row of a kernel
LARGE = 4096


def case(label: str, zeros: int, structure: str) -> Case:
    """A layer with about `zeros` % of its weights 0: equal magnitudes stay together."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        whole = rng.integers(1, 128, shape) * rng.choice([-1, 1], shape)
        return STRUCTURES[structure](whole.astype(np.int8), 1 - zeros / 100).astype(np.float32)

    name = f"{label} {zeros} % {structure}"
    if label in DEPTHWISE:
        inputs, kernel, stride, padding = DEPTHWISE[label]
        weight = weights(*kernel, inputs[2])
        return Case(name, DepthwiseConv2d(weight, np.zeros(inputs[2], np.float32), (stride, stride), padding), inputs)
    if label.startswith("fc"):
        return Case(name, Linear(weights(128, 640), np.zeros(128, np.float32)), (640,))
    pointwise = label.startswith("1x1")
    weight = weights(128, 1, 1, 128) if pointwise else weights(32, 3, 3, 32)
    conv = Conv2d(weight, np.zeros(len(weight), np.float32), (1, 1), (int(not pointwise),) * 4)
    return Case(name, conv, (8, 8, 128) if pointwise else (16, 16, 32))


def speed() -> list[dict[str, object]]:
    """Instructions of each kernel on each layer."""
    found = []
    for label in LAYERS:
        dense = DENSE[label]
        runs: list[tuple[str, int, Run]] = []
        for kernel, zeros in [(dense, 0)] + [(k, z) for k in KERNELS for z in ZEROS]:
            graph = graph_of(case(label, zeros, STRUCTURE_OF.get(kernel, "single")))
            runs += [(kernel, zeros, Run(k, graph)) for k in kernels_for(graph, "cortex-m4") if k.name == kernel]
        for (kernel, zeros, run), cost in zip(runs, measure([run for *_, run in runs], "cortex-m4")):
            weight = layer(run.graph).params.weight
            row = {"layer": label, "kernel": kernel, "zeros": zeros, "instructions": round(cost.instructions),
                   "cycles": round(cost.cycles), "share": round(np.count_nonzero(weight) / weight.size, 5),
                   "bytes": run.kernel.pack(layer(run.graph), run.graph).constant_bytes}  # fmt: skip
            print(row, flush=True)
            found.append(row)
    return found


def flash(zeros: int = 90) -> list[dict[str, object]]:
    """Bytes per nonzero weight, without rows' own, of the layers of at least `LARGE` weights: what ``--optimize size`` takes for each model,
    and of an image classifier the smallest of the kernels that run in tiles."""
    found: list[dict[str, object]] = []
    for name, data in model_files():
        whole = to_graph(data, name).graph
        for structure, prune in STRUCTURES.items():
            graph = pruned(whole, 1 - zeros / 100, prune)
            taken = [
                (step.node, "size", *in_size(step))
                for step in plan_of(graph, "cortex-m4", "size").steps
                if is_large(step.node)
            ]
            if name == STRUCTURED:
                taken += [(node, "tiles", *smallest(node, graph)) for node in graph.nodes if is_large(node)]
            for node, of, size, kernel in taken:
                found.append(
                    {
                        "model": name,
                        "structure": structure,
                        "layer": node.name,
                        "of": of,
                        "kernel": kernel,
                        "bytes": round(size, 3),
                    }
                )
                print(found[-1], flush=True)
    return found


def is_large(node: Node) -> bool:
    return isinstance(node.params, (QConv2d, QLinear)) and node.params.weight.size >= LARGE


def in_size(step: Step) -> tuple[float, str]:
    """Bytes per nonzero weight of a layer as it was planned: entries and what bridges gaps, without counts, steps, bias and multipliers."""
    weight, struct = step.node.params.weight, step.packed.struct
    arrays = [v for k, v in struct.items() if k.rpartition(".")[2] in ("stream", "entries", "deltas", "weights")]
    counts = len(weight) * weight.shape[1] if weight.ndim == 4 else 0
    taken = sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) - counts
    assert step.kernel.name in PORTABLE, step.kernel.name
    return taken / int(np.count_nonzero(weight)), step.kernel.name


def smallest(node: Node, graph: Graph) -> tuple[float, str]:
    """Bytes per nonzero weight of the kernel that takes fewest, and its name."""
    weight = node.params.weight.reshape(len(node.params.weight), -1)
    fixed, _ = constant_outputs(node.params.output, weight)

    def size(kernel: Kernel) -> float:
        stream = kernel.pack(node, graph).struct["stream"]
        assert isinstance(stream, np.ndarray)
        varying, constant = ROW_BYTES[kernel.name]
        own = stream.nbytes - varying * int((~fixed).sum()) - constant * int(fixed.sum())
        return own / int(np.count_nonzero(weight[~fixed]))

    kernels = [k for k in op_of(node, Int8).kernels if k.name in ROW_BYTES and k.applies(node, graph)]
    return min((size(kernel), kernel.name) for kernel in kernels)


def draw(rows: list[dict[str, object]]) -> None:
    """Times fewer instructions than the dense kernel, against the share of zeros."""
    names = {"conv2d_sparse8": "single weights", "conv2d_blocks8": "1x4 blocks", "conv2d_signs8": "ternary",
             "conv2d_unrolled": "code of its own", "depthwise_unrolled": "code of its own",
             "linear_sparse2": "2 bytes a weight", "linear_unrolled": "code of its own", "linear_blocks": "1x4 blocks"}  # fmt: skip
    with matplotlib.rc_context({"svg.hashsalt": "cpcc", "svg.fonttype": "none", "font.size": 9.0}):
        fig = Figure(figsize=(9, 6), layout="constrained")
        for axis, label in zip(fig.subplots(2, 3).flat, LAYERS):
            own = [row for row in rows if row["layer"] == label]
            dense = next(row["instructions"] for row in own if row["kernel"] in DENSE.values())
            for kernel in KERNELS:
                line = [(100 - 100 * r["share"], dense / r["instructions"]) for r in own if r["kernel"] == kernel]  # type: ignore[operator]
                if line:
                    axis.plot(*zip(*line), marker="o", markersize=3, label=names[kernel])
            axis.axhline(1, color="grey", linewidth=0.8)
            axis.set(title=label, xlabel="% zeros", yscale="log", yticks=[0.5, 1, 2, 5, 10, 20, 50])
            axis.set_yticklabels(["0.5", "1", "2", "5", "10", "20", "50"])
            axis.minorticks_off()
            axis.grid(linewidth=0.4)
            axis.legend(frameon=False, loc="upper left")
        for first in fig.axes[::3]:
            first.set_ylabel("times fewer instructions than dense")
        FigureCanvasSVG(fig).print_svg(FIGURE, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        choices=("draw", "speed", "flash"),
        help="draw from the measurements there are; or measure a part alone",
    )
    only = parser.parse_args().only
    before = json.loads(RESULTS.read_text()) if only else {}
    if only == "draw":
        draw(before["speed"])
        return
    found = {
        "speed": before["speed"] if only == "flash" else speed(),
        "flash": before["flash"] if only == "speed" else flash(),
    }
    lines = [f' "{part}": [\n  ' + ",\n  ".join(map(json.dumps, rows)) + "\n ]" for part, rows in found.items()]
    RESULTS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    draw(found["speed"])


if __name__ == "__main__":
    main()
