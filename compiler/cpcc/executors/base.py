"""The one interface of all executors: samples in, every node's integer values out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cpcc.errors import VerificationError
from cpcc.graph import Graph
from cpcc.plan.plan import Plan

INPUT_NODE, FULL_RUN, SCORE = "input", "run", "score"  # places beside the graph's own nodes


class ExecutionError(VerificationError):
    """A compiled model that crashed or did not end: on which executor, sample (of the batch) and node, and how."""

    def __init__(self, executor: str, sample: int, node: str, what: str) -> None:
        super().__init__(f"{executor}: sample {sample}, node {node}: {what}")
        self.executor, self.sample, self.node, self.what = executor, sample, node, what

    def shifted(self, offset: int) -> ExecutionError:
        """The same with `sample` counted from the data's beginning."""
        return ExecutionError(self.executor, self.sample + offset, self.node, self.what)


@dataclass(frozen=True, eq=False)
class Trace:
    """Results for n samples. `nodes` maps tensor names, in execution order, to their values (n, *shape), int8 or
    int16, channels-last, each read right after its layer ran (empty when not asked for). `outputs` (n, *shape) by tensor and
    `scores` (n, decisions) int32 come from a second, uninterrupted run."""

    nodes: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    scores: np.ndarray

    @property
    def output(self) -> np.ndarray:
        """The only output (n, *shape)."""
        (output,) = self.outputs.values()
        return output

    @property
    def values(self) -> int:
        """How many were computed."""
        return sum(array.size for array in (*self.nodes.values(), *self.outputs.values(), self.scores))

    def head(self, count: int) -> Trace:
        """The first `count` samples'."""
        first = [{name: values[:count] for name, values in group.items()} for group in (self.nodes, self.outputs)]
        return Trace(first[0], first[1], self.scores[:count])


@dataclass(frozen=True)
class Cost:
    """Exact instructions of one uninterrupted call and of each layer; modelled cycles of both (see `cycles.py`); stack
    high-water of the call in bytes."""

    instructions: int
    layer_instructions: tuple[int, ...]
    stack_bytes: int
    cycles: int
    layer_cycles: tuple[int, ...]


class Executor(Protocol):
    """Runs one compiled model. `samples` are raw ones in the model's layout, or with `quantized` the input tensor's values in the
    arena's layout (channels-last). Of several inputs they are records (n,)."""

    name: str

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace: ...


def traced_tensors(plan: Plan) -> list[str]:
    """Tensors that executors report: the inputs, then each step's output. A reshape has no code of its own."""
    return [*plan.graph.inputs, *(step.node.output for step in plan.steps)]


def node_names(graph: Graph) -> dict[str, str]:
    """The node that computes each tensor; of inputs the word for it, and of several their names too."""
    single = len(graph.inputs) == 1
    inputs = {name: INPUT_NODE if single else f"{INPUT_NODE} {name}" for name in graph.inputs}
    return inputs | {node.output: node.name for node in graph.nodes}


def run_name(graph: Graph, output: str) -> str:
    """The place of the uninterrupted run's `output`, among several with its name."""
    return FULL_RUN if len(graph.outputs) == 1 else f"{FULL_RUN}, output {output}"


def bytes_per_sample(plan: Plan) -> int:
    """Bytes of one sample's nodes."""
    return sum(plan.graph.tensors[name].bytes for name in traced_tensors(plan))


def join(traces: list[Trace]) -> Trace:
    """One trace of consecutive batches."""
    return Trace(
        _stacked([t.nodes for t in traces]),
        _stacked([t.outputs for t in traces]),
        np.concatenate([t.scores for t in traces]),
    )


def _stacked(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
