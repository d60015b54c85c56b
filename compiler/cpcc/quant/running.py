"""Graphs run by their ops' own semantics, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cpcc.graph import Float32, Graph, Int8
from cpcc.ops import op_of
from cpcc.records import by_name

BATCH = 64
Ranges = dict[str, tuple[float, float]]


def batches(x: np.ndarray, size: int = BATCH) -> Iterator[np.ndarray]:
    return (x[i : i + size] for i in range(0, len(x), size))


def run_nodes(graph: Graph, kind: type[Float32] | type[Int8], x: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor (n, *shape) for inputs `x` (n, *input shape), of several inputs records (n,), by name."""
    values = by_name(x, graph.inputs)
    for node in graph.nodes:
        op = op_of(node, kind)
        run: Callable[..., np.ndarray] = op.run_float if kind is Float32 else op.run_int8
        values[node.output] = run(node.params, *(values[name] for name in node.inputs))
    return values


def run_outputs(graph: Graph, kind: type[Float32] | type[Int8], x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs (n, *shape) for inputs as `run_nodes` takes them, by tensor."""
    parts = [run_nodes(graph, kind, batch) for batch in batches(x)]
    return {name: np.concatenate([part[name] for part in parts]) for name in graph.outputs}
