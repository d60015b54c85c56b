"""Single kernels: the shapes of which CMSIS-NN's count is known, and sparse ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from cost_cases import Case, graph_of
from rows import PEERS, Peer, Row, run, show, with_peer

from cpcc.graph import Graph, Int8
from cpcc.ops import op_of
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear

M4 = "cortex-m4"


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
        weight, bias = uniform(rng, *kernel, shape[2]), np.zeros(shape[2], np.float32)
        found.append(Case(label, DepthwiseConv2d(weight, bias, (stride, stride), padding), shape))
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


def macs_of(graph: Graph) -> int:
    """Of the graph's layers, zero weights included."""
    return sum(op_of(n, Int8).macs(n.params, graph.output_tensor(n).shape)[0] for n in graph.nodes)


def kernel_row(case: Case, compiler: str = "zig") -> Row:
    """One kernel on the M4, beside CMSIS-NN's."""
    graph = graph_of(case)
    per_mac, cycles = PEERS["kernels"].get(case.label), PEERS["kernel_cycles"].get(case.label)
    return with_peer(run(case.label, graph, M4, "speed", compiler, Peer()), per_mac, cycles, macs_of(graph))


def kernel_rows() -> Iterator[Row]:
    for case in kernel_cases():
        for compiler in ("zig", "gcc"):
            yield show(kernel_row(case, compiler))
