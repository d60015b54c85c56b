"""The generated C on this machine, under the address and undefined-behaviour sanitizers where available."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from cpcc.executors.base import ExecutionError, Trace
from cpcc.executors.harness import SECONDS, broken_off, in_batches, parse_reply, request
from cpcc.plan.plan import Plan


class HostExecutor:
    """`Executor` on the harness program `binary`, fed through a pipe; at most `seconds` per batch; the harness
    sends so many `scores` per sample."""

    def __init__(self, plan: Plan, binary: Path, name: str = "host", seconds: float = SECONDS, *, scores: int) -> None:
        self._plan, self._binary, self.name, self._seconds, self._scores = plan, binary, name, seconds, scores

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        """Raises `ExecutionError` where the program crashes, a sanitizer stops it, or it takes too long."""
        return in_batches(self._plan, samples, lambda batch: self._batch(batch, quantized, nodes))

    def _batch(self, samples: np.ndarray, quantized: bool, nodes: bool) -> Trace:
        try:
            done = subprocess.run(
                [self._binary],
                input=request(samples, quantized, nodes),
                capture_output=True,
                timeout=self._seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            place = broken_off(error.stdout or b"", self._plan, nodes, self._scores)
            raise ExecutionError(self.name, *place, f"still running after {self._seconds:g} s") from error
        if done.returncode:
            place = broken_off(done.stdout, self._plan, nodes, self._scores)
            what = f"the generated C stopped with status {done.returncode}: {_reason(done.stderr)}"
            raise ExecutionError(self.name, *place, what)
        return parse_reply(done.stdout, len(samples), self._plan, nodes, self._scores)


def _reason(stderr: bytes) -> str:
    """The line of a sanitizer's report that says what happened."""
    lines = stderr.decode(errors="replace").splitlines()
    telling = [line.strip() for line in lines if "ERROR:" in line or "runtime error:" in line]
    return (telling or lines or ["no message"])[0]
