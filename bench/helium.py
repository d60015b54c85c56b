"""1x16 blocks on Helium: `python bench/helium.py` runs convolutions, and a model, with blocks of weights set to zero on the emulated
Cortex-M55 and writes bench/results/helium.json: instructions beside the dense kernel's and CMSIS-NN's dense ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from cost_cases import Case, graph_of, layer
from cost_layers import Run, measure
from kernels import macs_of
from models import STRUCTURED, peer_of
from rows import PEERS, model_files, run, write
from structures import blocks, pruned

from cpcc.frontends.tflite import to_graph
from cpcc.ops.conv2d import mve, mve_blocks
from cpcc.ops.float_params import Conv2d

M55 = "cortex-m55"
ZEROS = (0, 50, 75, 90)
blocks16 = partial(blocks, block=16)
LAYERS = (
    ("1x1 64-64 25x5", (25, 5, 64), 64, 1), ("1x1 128-128 6x6", (6, 6, 128), 128, 1), ("3x3 32-32 16x16", (16, 16, 32), 32, 3),
    ("3x3 16-16 32x32", (32, 32, 16), 16, 3), ("3x3 64-64 8x8", (8, 8, 64), 64, 3),
)  # fmt: skip


@dataclass(frozen=True)
class Blocks:
    """Instructions with a share of 1x16 blocks zero, in the planner's choice of kernel for a model; how many times fewer than our
    dense kernels take, and than CMSIS-NN's."""

    name: str
    instructions: int
    than_dense: float
    than_peer: float


def case(label: str, shape: tuple[int, int, int], out: int, kernel: int, zeros: int) -> Case:
    rng = np.random.default_rng(0)
    whole = rng.integers(1, 128, (out, kernel, kernel, shape[2])) * rng.choice([-1, 1], (out, kernel, kernel, shape[2]))
    weight = blocks16(whole.astype(np.int8), 1 - zeros / 100).astype(np.float32)
    return Case(label, Conv2d(weight, np.zeros(out, np.float32), (1, 1), (kernel // 2,) * 4), shape)


def layers() -> Iterator[Blocks]:
    for label, shape, out, kernel in LAYERS:
        graphs = [graph_of(case(label, shape, out, kernel, zeros)) for zeros in ZEROS]
        assert all(mve_blocks.applies(layer(graph), graph) for graph in graphs)
        dense, *found = measure([Run(mve.KERNEL, graphs[0]), *(Run(mve_blocks.KERNEL, g) for g in graphs)], M55)
        peer = PEERS["kernels_m55"][label] * macs_of(graphs[0])
        for zeros, cost in zip(ZEROS, found, strict=True):
            fewer = [round(of / cost.instructions, 2) for of in (dense.instructions, peer)]
            yield Blocks(f"{label} {zeros} %", round(cost.instructions), *fewer)


def model() -> Iterator[Blocks]:
    for name, data in model_files():
        if name != STRUCTURED:
            continue
        graph = to_graph(data, name).graph
        dense = run(name, graph, M55, "speed", "zig", peer_of(name, M55)).instructions
        peer = peer_of(name, M55).instructions
        assert peer is not None
        for zeros in ZEROS[1:]:
            row = run(name, pruned(graph, 1 - zeros / 100, blocks16), M55, "speed", "zig", peer_of(name, M55))
            fewer = [round(of / row.instructions, 2) for of in (dense, peer)]
            yield Blocks(f"{name} {zeros} %", row.instructions, *fewer)


def main() -> None:
    found = []
    for row in (*layers(), *model()):
        print(row, flush=True)
        found.append(row)
    write("helium", found)


if __name__ == "__main__":
    main()
