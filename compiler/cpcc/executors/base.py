"""The one interface of all executors: samples in, every node's integer values out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cpcc.errors import VerificationError
from cpcc.graph import Tensor
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
    int16, channels-last, each read right after its layer ran (empty when not asked for). `output` (n, *shape) and `scores` (n,)
    int32, zeros without a decision, come from a second, uninterrupted run."""

    nodes: dict[str, np.ndarray]
    output: np.ndarray
    scores: np.ndarray


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
    arena's layout (channels-last)."""

    name: str

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace: ...


def traced_tensors(plan: Plan) -> list[str]:
    """Tensors that executors report: the input, then each step's output. A reshape has no code of its own."""
    return [plan.graph.input.name, *(step.node.output for step in plan.steps)]


def bytes_per_sample(plan: Plan) -> int:
    """Bytes of one sample's nodes."""
    return sum(plan.graph.tensors[name].bytes for name in traced_tensors(plan))


def broken_off(reply: bytes, plan: Plan, nodes: bool) -> tuple[int, str]:
    """(sample, node) at which a harness stopped: the first that its unfinished reply lacks."""
    names = {node.output: node.name for node in plan.graph.nodes}
    tensors = traced_tensors(plan) if nodes else []
    parts = [(names.get(name, INPUT_NODE), plan.graph.tensors[name].bytes) for name in tensors]
    parts += [(FULL_RUN, plan.graph.output.bytes), (SCORE, 4)]
    sample, rest = divmod(len(reply), sum(size for _, size in parts))
    for name, size in parts:
        if rest < size:
            return sample, name
        rest -= size
    raise AssertionError("the remainder is smaller than a record")


def join(traces: list[Trace]) -> Trace:
    """One trace of consecutive batches."""
    names = traces[0].nodes
    return Trace(
        {name: np.concatenate([t.nodes[name] for t in traces]) for name in names},
        np.concatenate([t.output for t in traces]),
        np.concatenate([t.scores for t in traces]),
    )


def _stored(tensor: Tensor) -> np.dtype[Any]:
    """How a device's memory holds an element: little-endian."""
    return np.dtype(tensor.integer.dtype).newbyteorder("<")


def parse_reply(reply: bytes, samples: int, plan: Plan, nodes: bool) -> Trace:
    """The harness's reply (firmware/harness/cpcc_harness.h) as arrays. Raises `ValueError` on a wrong length."""
    tensors = [plan.graph.tensors[name] for name in traced_tensors(plan)] if nodes else []
    fields = [(f"n{i}", _stored(t), t.shape) for i, t in enumerate(tensors)]
    output = plan.graph.output
    record = np.dtype([*fields, ("output", _stored(output), output.shape), ("score", "<i4")])
    if len(reply) != samples * record.itemsize:
        raise ValueError(f"{len(reply)} bytes of reply, expected {samples * record.itemsize}")
    table = np.frombuffer(reply, record)
    values = {t.name: table[f"n{i}"].astype(t.integer.dtype) for i, t in enumerate(tensors)}
    return Trace(values, table["output"].astype(output.integer.dtype), table["score"].astype(np.int32))
