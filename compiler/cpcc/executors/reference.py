"""The numpy reference: integer semantics written once more, from the ops' definitions."""

from __future__ import annotations

import numpy as np

from cpcc.detector import Network, quantize_inputs, scores_of
from cpcc.executors.base import Trace, join, traced_tensors
from cpcc.graph import Graph, Int8
from cpcc.plan.plan import Plan
from cpcc.quantize import batches, run_nodes


class ReferenceExecutor:
    """`Executor` on numpy."""

    name = "reference"

    def __init__(self, plan: Plan, detector: Network) -> None:
        self._plan, self._detector = plan, detector

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        return join([self._batch(batch, quantized, nodes) for batch in batches(samples)])

    def _batch(self, samples: np.ndarray, quantized: bool, nodes: bool) -> Trace:
        graph = self._detector.graph
        values = run_nodes(graph, Int8, samples if quantized else quantize_inputs(self._detector, samples))
        outputs = {name: values[name] for name in graph.outputs}
        wanted = traced_tensors(self._plan) if nodes else []
        traced = {name: _traced(name, values, self._plan.graph) for name in wanted}
        return Trace(traced, outputs, scores_of(self._detector, outputs))


def _traced(name: str, values: dict[str, np.ndarray], graph: Graph) -> np.ndarray:
    """The tensor called `name` of a plan's `graph`: of a band the rows of what the network itself, which is not striped,
    computes."""
    band = graph.bands.get(name)
    if band is None:
        return values[name]
    return values[band.tensor].take(range(band.start, band.stop), axis=band.axis + 1)
