"""Graphs run by their ops' own semantics, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cpcc.graph import Float32, Graph, Int8
from cpcc.ops import op_of

BATCH = 64
Ranges = dict[str, tuple[float, float]]


def batches(x: np.ndarray, size: int = BATCH) -> Iterator[np.ndarray]:
    return (x[i : i + size] for i in range(0, len(x), size))


def run_nodes(graph: Graph, kind: type[Float32] | type[Int8], x: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor (n, *shape) for inputs `x` (n, *input shape), by name."""
    values = {graph.input.name: x}
    for node in graph.nodes:
        op = op_of(node, kind)
        run: Callable[..., np.ndarray] = op.run_float if kind is Float32 else op.run_int8
        values[node.output] = run(node.params, *(values[name] for name in node.inputs))
    return values
