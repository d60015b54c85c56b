"""The ARM binary in QEMU: the harness over semihosting files. The only way to run a Cortex-M55."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from cpcc.errors import ToolMissingError, VerificationError
from cpcc.executors.base import Trace, join, parse_reply
from cpcc.executors.host import SECONDS, batch_size, request
from cpcc.plan.plan import Plan
from cpcc.quantize import batches


def find_qemu() -> str:
    """Raises `ToolMissingError`."""
    path = shutil.which("qemu-system-arm")
    if path is None:
        raise ToolMissingError("qemu-system-arm is not installed; run: apt-get install qemu-system-arm")
    return path


class QemuExecutor:
    """`Executor` on the harness image `elf`, linked for the target's QEMU machine."""

    name = "arm"

    def __init__(self, plan: Plan, elf: Path) -> None:
        self._plan, self._elf = plan, elf
        self._qemu = find_qemu()

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        """Raises `VerificationError` where the binary faults or does not end."""
        size = batch_size(self._plan)
        return join([self._batch(batch, quantized, nodes) for batch in batches(samples, size)])

    def _batch(self, samples: np.ndarray, quantized: bool, nodes: bool) -> Trace:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "request.bin").write_bytes(request(samples, quantized, nodes))
            self._emulate(folder)
            reply = Path(folder, "reply.bin").read_bytes()
        try:
            return parse_reply(reply, len(samples), self._plan, nodes)
        except ValueError as error:
            raise VerificationError(f"qemu: {error}; the firmware stopped early") from error

    def _emulate(self, folder: str) -> None:
        machine = self._plan.target.core.qemu_machine
        command = [self._qemu, "-M", machine, "-nographic", "-monitor", "none", "-serial", "none",
                   "-semihosting-config", "enable=on,target=native", "-kernel", str(self._elf)]  # fmt: skip
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise VerificationError(f"qemu: no reply within {SECONDS} s; the firmware does not end") from error
        if done.returncode:
            raise VerificationError(
                f"qemu: status {done.returncode}: {(done.stderr.splitlines() or ['no message'])[-1]}"
            )
