"""The ARM binary on an emulated Cortex-M: the shipped image, called layer by layer."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from cpcc.detector import Network, decisions_of
from cpcc.emit import layer_functions, quantize_functions
from cpcc.errors import VerificationError
from cpcc.executors.base import FULL_RUN, INPUT_NODE, Cost, ExecutionError, Trace, join
from cpcc.executors.memory_map import FEED
from cpcc.executors.unicorn_core import CALL_SECONDS, UnicornCore
from cpcc.names import c_prefix
from cpcc.plan.plan import Plan
from cpcc.records import by_name

GARBAGE = 0x5A  # stale bytes must not look like results


class ArmExecutor:
    """`Executor` on the image `elf`, in which the arena is the symbol ``cpcc_arena``. `wait_states` of the flash lengthen its modelled
    cycles."""

    name = "arm"

    def __init__(
        self, plan: Plan, detector: Network, name: str, elf: Path, seconds: float = CALL_SECONDS, wait_states: int = 0
    ) -> None:
        self._plan, self._prefix, self._wait_states = plan, c_prefix(name), wait_states
        self._decisions = len(decisions_of(detector))
        self._layers = layer_functions(plan, name)
        self._quantize = quantize_functions(plan, name)
        raw_bytes = [np.dtype(spec.dtype).itemsize * math.prod(spec.shape) for spec in detector.inputs]
        self._core = UnicornCore(elf, plan.target, max(raw_bytes), seconds)
        self._arena = self._core.symbol("cpcc_arena").address
        self._node = INPUT_NODE  # where a fault would be

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        """Raises `ExecutionError` where the binary faults or a call takes longer than the time limit."""
        return join([self._sample(i, samples[i : i + 1], quantized, nodes) for i in range(len(samples))])

    def _sample(self, index: int, sample: np.ndarray, quantized: bool, nodes: bool) -> Trace:
        """Of the one sample (1, ...)."""
        self._node = INPUT_NODE
        try:
            return self._traced(sample, quantized, nodes)
        except VerificationError as error:
            raise ExecutionError(self.name, index, self._node, str(error)) from error

    def _traced(self, sample: np.ndarray, quantized: bool, nodes: bool) -> Trace:
        values = self._step_through(sample, quantized) if nodes else {}
        self._node = FULL_RUN
        self._load(sample, quantized)
        self._core.call(f"{self._prefix}_run", self._arena)
        outputs = {name: self._tensor(name) for name in self._plan.graph.outputs}
        return Trace(values, outputs, self._scores())

    def _scores(self) -> np.ndarray:
        """int32 (1, decisions)."""
        if self._decisions == 1:
            found = [self._core.call(f"{self._prefix}_score", self._arena)]
        else:
            place = f"{self._prefix}_class_score"
            found = [self._core.call(place, self._arena, which) for which in range(self._decisions)]
        return np.array(found, np.int32)[None]

    def _step_through(self, sample: np.ndarray, quantized: bool) -> dict[str, np.ndarray]:
        self._load(sample, quantized)
        values = {name: self._tensor(name) for name in self._plan.graph.inputs}
        for step, function in zip(self._plan.steps, self._layers, strict=True):
            self._node = step.node.name
            self._core.call(function, self._arena)
            values[step.node.output] = self._tensor(step.node.output)
        return values

    def _load(self, sample: np.ndarray, quantized: bool) -> None:
        self._core.write(self._arena, bytes([GARBAGE]) * self._plan.arena.size)
        parts = by_name(sample, self._plan.graph.inputs)
        for (name, part), function in zip(parts.items(), self._quantize, strict=True):
            data = np.ascontiguousarray(part).tobytes()
            if quantized:
                self._core.write(self._arena + self._plan.arena.offsets[name], data)
            else:
                self._core.write(FEED, data)
                self._core.call(function, FEED, self._arena)

    def _tensor(self, name: str) -> np.ndarray:
        """(1, *shape)."""
        tensor = self._plan.graph.tensors[name]
        data = self._core.read(self._arena + self._plan.arena.offsets[name], tensor.bytes)
        return np.frombuffer(data, np.dtype(tensor.integer.dtype).newbyteorder("<")).reshape(1, *tensor.shape)

    def measure(self, samples: np.ndarray) -> Cost:
        """Cost of one inference on the quantized sample ``samples[0]``, after a first call."""
        self.run(samples[:1], quantized=True)
        self._load(samples[:1], True)
        self._core.paint_stack()
        total, cycles = self._count(f"{self._prefix}_run")
        stack = self._core.stack_used()
        self._load(samples[:1], True)
        layers = [self._count(function) for function in self._layers]
        return Cost(total, tuple(count for count, _ in layers), stack, cycles, tuple(each for _, each in layers))

    def _count(self, function: str) -> tuple[int, int]:
        """(instructions, modelled cycles) of a call."""
        self._core.counter.reset()
        self._core.call(function, self._arena)
        counter = self._core.counter
        return counter.instructions(), counter.cycles(self._core.target.core.name, self._wait_states)
