"""The generated C on this machine, under the address and undefined-behaviour sanitizers where available."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np

from cpcc.errors import VerificationError
from cpcc.executors.base import Trace, bytes_per_sample, join, parse_reply
from cpcc.plan.plan import Plan
from cpcc.quantize import batches

BATCH_BYTES = 32 * 2**20
QUANTIZED, NODES = 1, 2
SECONDS = 600


def request(samples: np.ndarray, quantized: bool, nodes: bool) -> bytes:
    """A harness request (firmware/harness/cpcc_harness.h)."""
    mode = QUANTIZED * quantized | NODES * nodes
    return struct.pack("<II", mode, len(samples)) + np.ascontiguousarray(samples).tobytes()


def batch_size(plan: Plan) -> int:
    return max(1, BATCH_BYTES // max(1, bytes_per_sample(plan)))


class HostExecutor:
    """`Executor` on the harness program `binary`, fed through a pipe."""

    name = "host"

    def __init__(self, plan: Plan, binary: Path) -> None:
        self._plan, self._binary = plan, binary

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        """Raises `VerificationError` where the program crashes, a sanitizer stops it, or it takes too long."""
        size = batch_size(self._plan)
        return join([self._batch(batch, quantized, nodes) for batch in batches(samples, size)])

    def _batch(self, samples: np.ndarray, quantized: bool, nodes: bool) -> Trace:
        try:
            done = subprocess.run(
                [self._binary],
                input=request(samples, quantized, nodes),
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise VerificationError(f"host: no reply within {SECONDS} s; the generated C does not end") from error
        if done.returncode:
            raise VerificationError(
                f"host: the generated C stopped with status {done.returncode}: {_reason(done.stderr)}"
            )
        return parse_reply(done.stdout, len(samples), self._plan, nodes)


def _reason(stderr: bytes) -> str:
    """The line of a sanitizer's report that says what happened."""
    lines = stderr.decode(errors="replace").splitlines()
    telling = [line.strip() for line in lines if "ERROR:" in line or "runtime error:" in line]
    return (telling or lines or ["no message"])[0]
