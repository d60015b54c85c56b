"""Bytes of depthwise weights in the formats for least flash: `python bench/depthwise_bytes.py` plans a MobileNetV1 of the zoo for
`--optimize size` with its depthwise layers dense, of few levels, and pruned, and writes bench/results/depthwise_bytes.json."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from rows import constants, plan_of, write
from structures import single, ternary
from zoo_sizes import integer_graph

from cpcc.graph import Graph
from cpcc.ops.depthwise_conv2d import QDepthwiseConv2d
from zoo import ZOO

NAME = "mobilenet_v1"
ARRAYS = ("weights", "multiples", "steps", "mask")


def few(weight: np.ndarray, largest: int) -> np.ndarray:
    """Whole multiples, at most `largest`, of one step."""
    step = 127 // largest
    return (np.clip(np.rint(weight / step), -largest, largest) * step).astype(np.int8)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "dense": lambda weight: weight, "4-bit": partial(few, largest=7), "3-bit": partial(few, largest=3), "ternary": partial(ternary, keep=0.6),
    "50 % zeros": partial(single, keep=0.5), "75 % zeros": partial(single, keep=0.25), "90 % zeros": partial(single, keep=0.1),
}  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Kernels of the depthwise layers, bytes of their weights for each channel, and bytes of all constants of the network."""

    name: str
    kernels: str
    channel: float
    constants: int


def with_depthwise(graph: Graph, change: Callable[[np.ndarray], np.ndarray]) -> Graph:
    nodes = [
        replace(node, params=replace(node.params, weight=change(node.params.weight)))
        if isinstance(node.params, QDepthwiseConv2d)
        else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def rows() -> Iterator[Sizes]:
    whole = integer_graph(NAME, ZOO[NAME].small)
    for kind, change in KINDS.items():
        plan = plan_of(with_depthwise(whole, change), "cortex-m4", "size")
        steps = [step for step in plan.steps if isinstance(step.node.params, QDepthwiseConv2d)]
        arrays = [value for step in steps for name, value in step.packed.struct.items() if name in ARRAYS]
        own = sum(value.nbytes for value in arrays if isinstance(value, np.ndarray))
        channels = sum(step.node.params.weight.shape[2] for step in steps)
        kernels = ", ".join(sorted({step.kernel.name for step in steps}))
        yield Sizes(f"{NAME} {kind}", kernels, round(own / channels, 3), sum(constants(plan)))


def main() -> None:
    found = []
    for row in rows():
        print(row, flush=True)
        found.append(row)
    write("depthwise_bytes", found)


if __name__ == "__main__":
    main()
