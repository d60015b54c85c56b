"""From the fixed-point reference down: host C, emulated ARM, QEMU; equality at every node, in parallel batches."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cpcc.executors.base import SCORE, ExecutionError, Executor, Trace, bytes_per_sample, node_names, run_name
from cpcc.graph import Graph
from cpcc.plan.plan import Plan

TRACE_BYTES = 64 * 2**20  # of node values held at once
LARGEST_BATCH = 256


@dataclass(frozen=True)
class Difference:
    """The first value that differs: `index` into the node's output, channels-last."""

    executor: str
    sample: int
    node: str
    index: list[int]
    expected: int
    actual: int

    def __str__(self) -> str:
        return (f"{self.executor}: sample {self.sample}, node {self.node}, index {tuple(self.index)}: "
                f"expected {self.expected}, got {self.actual}")  # fmt: skip


class PerThread:
    """`Executor` that makes one of its own for each thread: an emulated core is not shared."""

    def __init__(self, name: str, make: Callable[[], Executor]) -> None:
        self.name, self._make, self._own = name, make, threading.local()

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        if not hasattr(self._own, "executor"):
            self._own.executor = self._make()
        executor: Executor = self._own.executor
        return executor.run(samples, quantized=quantized, nodes=nodes)


@dataclass(frozen=True, eq=False)
class Step:
    """One rung to climb: an executor, how many samples it gets at most (0: all), and a word on why or what."""

    executor: Executor
    limit: int = 0
    note: str = ""


@dataclass(frozen=True)
class Rung:
    """How one executor did against the reference. `failure` says why it stopped; empty where it ran to the end."""

    name: str
    samples: int
    values_compared: int
    difference: Difference | None
    failure: str
    note: str

    @property
    def equal(self) -> bool:
        return self.difference is None and not self.failure


@dataclass(frozen=True, eq=False)
class _Outcome:
    """One batch on one rung."""

    compared: int = 0
    samples: int = 0
    difference: Difference | None = None
    failure: str = ""


def _first_unequal(expected: np.ndarray, actual: np.ndarray) -> tuple[int, ...] | None:
    unequal = np.argwhere(np.asarray(expected) != np.asarray(actual))
    return tuple(int(i) for i in unequal[0]) if len(unequal) else None


def first_difference(executor: str, graph: Graph, expected: Trace, actual: Trace, offset: int) -> Difference | None:
    """The first differing value in execution order: nodes one by one, then the uninterrupted run, then the score.

    `offset` is the index of the batch's first sample."""
    names = node_names(graph)
    pairs = [(names[t], expected.nodes[t], actual.nodes[t]) for t in expected.nodes]
    pairs += [(run_name(graph, t), expected.outputs[t], actual.outputs[t]) for t in expected.outputs]
    pairs.append((SCORE, expected.scores, actual.scores))
    for node, want, got in pairs:
        where = _first_unequal(want, got)
        if where is not None:
            return Difference(executor, offset + where[0], node, list(where[1:]), int(want[where]), int(got[where]))
    return None


def batch_size(plan: Plan, samples: int, workers: int) -> int:
    """Samples per batch: a few batches for every worker, within the memory allowed."""
    fits = TRACE_BYTES // (workers * max(1, bytes_per_sample(plan)))
    return max(1, min(fits, LARGEST_BATCH, -(-samples // (4 * workers))))


class _Climb:
    """One comparison of all rungs; `batch` runs in worker threads."""

    def __init__(self, plan: Plan, reference: Executor, steps: Sequence[Step], raw: np.ndarray, size: int) -> None:
        self._graph, self._reference, self._steps, self._raw, self._size = plan.graph, reference, steps, raw, size
        self._stopped_at: dict[str, int] = {}

    def batch(self, offset: int) -> tuple[np.ndarray, list[_Outcome]]:
        """Reference scores of the batch that begins at sample `offset`, and each rung's outcome."""
        samples = self._raw[offset : offset + self._size]
        expected = self._reference.run(samples, nodes=bool(self._steps))
        return expected.scores, [self._rung(step, samples, expected, offset) for step in self._steps]

    def _rung(self, step: Step, samples: np.ndarray, expected: Trace, offset: int) -> _Outcome:
        name = step.executor.name
        count = len(samples) if not step.limit else max(0, min(len(samples), step.limit - offset))
        if not count or self._stopped_at.get(name, offset) < offset:  # the earliest failure is the one reported
            return _Outcome()
        try:
            actual = step.executor.run(samples[:count], nodes=True)
        except ExecutionError as error:
            self._stopped_at[name] = min(offset, self._stopped_at.get(name, offset))
            return _Outcome(failure=str(error.shifted(offset)))
        difference = first_difference(name, self._graph, expected.head(count), actual, offset)
        return _Outcome(actual.values, count, difference)


def _summary(step: Step, outcomes: Sequence[_Outcome]) -> Rung:
    failed = next((i for i, o in enumerate(outcomes) if o.failure), len(outcomes))
    outcomes = outcomes[: failed + 1]  # what other threads ran beyond is chance
    difference = next((o.difference for o in outcomes if o.difference), None)
    failure = next((o.failure for o in outcomes if o.failure), "")
    return Rung(
        step.executor.name, sum(o.samples for o in outcomes), sum(o.compared for o in outcomes), difference, failure,
        step.note,
    )  # fmt: skip


def workers_here() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def climb(
    plan: Plan, reference: Executor, steps: Sequence[Step], raw: np.ndarray, progress: Callable[[int], None],
    workers: int,
) -> tuple[np.ndarray, list[Rung]]:  # fmt: skip
    """Reference scores (n, decisions) of the raw samples (n, ...), and one rung per step.

    Threads suffice: emulator, host programs and numpy work outside Python's lock."""
    size = batch_size(plan, len(raw), workers)
    comparison = _Climb(plan, reference, steps, raw, size)
    scores: list[np.ndarray] = []
    outcomes: list[list[_Outcome]] = []
    with ThreadPoolExecutor(workers) as pool:
        try:
            for found, batch in pool.map(comparison.batch, range(0, len(raw), size)):
                scores.append(found)
                outcomes.append(batch)
                progress(sum(map(len, scores)))
        except BaseException:  # Ctrl-C: do not begin what is still queued
            pool.shutdown(cancel_futures=True)
            raise
    return np.concatenate(scores), [_summary(step, [o[i] for o in outcomes]) for i, step in enumerate(steps)]
