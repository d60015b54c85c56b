"""The ARM binary in QEMU: the harness over semihosting files. The only way to run a Cortex-M55."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpcc.errors import ToolMissingError
from cpcc.executors.base import Cost, ExecutionError, Trace
from cpcc.executors.harness import SECONDS, broken_off, in_batches, parse_reply, request
from cpcc.executors.qemu_counter import COUNTS, counter_options, read_cost
from cpcc.plan.plan import Plan

KIB = 1024
# (flash origin, bytes, RAM origin, bytes) of QEMU 7.2's machines (docs/system/arm/mps2.rst, nrf.rst; an505 boots secure)
MPS2 = (0, 4096 * KIB, 0x2000_0000, 4096 * KIB)
MEMORY = {
    "microbit": (0, 256 * KIB, 0x2000_0000, 16 * KIB),
    "mps2-an385": MPS2,
    "mps2-an386": MPS2,
    "mps2-an500": MPS2,
    "mps2-an505": (0x1000_0000, 4096 * KIB, 0x3800_0000, 4096 * KIB),
    "mps3-an547": (0, 512 * KIB, 0x2000_0000, 256 * KIB),
}


def on_machine(plan: Plan) -> Plan:
    """`plan` for the memory of its core's QEMU machine: the same library, linked elsewhere."""
    flash, flash_bytes, ram, ram_bytes = MEMORY[plan.target.core.qemu_machine]
    target = replace(plan.target, flash_origin=flash, flash_bytes=flash_bytes, ram_origin=ram, ram_bytes=ram_bytes)
    return replace(plan, target=target)


def has_qemu() -> bool:
    return shutil.which("qemu-system-arm") is not None


def find_qemu() -> str:
    """Raises `ToolMissingError`."""
    path = shutil.which("qemu-system-arm")
    if path is None:
        raise ToolMissingError("qemu-system-arm is not installed; run: apt-get install qemu-system-arm")
    return path


class QemuExecutor:
    """`Executor` on the harness image `elf`, linked for the target's QEMU machine; at most `seconds` per batch; the harness
    sends so many `scores` per sample."""

    def __init__(self, plan: Plan, elf: Path, name: str = "arm", seconds: float = SECONDS, *, scores: int) -> None:
        self._plan, self._elf, self.name, self._seconds, self._scores = plan, elf, name, seconds, scores
        self._qemu = find_qemu()

    def run(self, samples: np.ndarray, *, quantized: bool = False, nodes: bool = False) -> Trace:
        """Raises `ExecutionError` where the binary faults or does not end."""
        return in_batches(self._plan, samples, lambda batch: self._batch(batch, quantized, nodes))

    def measure(self, samples: np.ndarray) -> Cost:
        """Cost of one inference on the quantized sample ``samples[0]``."""
        with tempfile.TemporaryDirectory() as folder:
            self._reply(folder, samples[:1], True, True, counter_options(self._elf))
            return read_cost(Path(folder, COUNTS).read_text(), len(self._plan.steps))

    def _batch(self, samples: np.ndarray, quantized: bool, nodes: bool) -> Trace:
        with tempfile.TemporaryDirectory() as folder:
            reply = self._reply(folder, samples, quantized, nodes)
        return parse_reply(reply, len(samples), self._plan, nodes, self._scores)

    def _reply(
        self, folder: str, samples: np.ndarray, quantized: bool, nodes: bool, options: Sequence[str] = ()
    ) -> bytes:
        Path(folder, "request.bin").write_bytes(request(samples, quantized, nodes))
        trouble = self._emulate(folder, options)
        written = Path(folder, "reply.bin")
        reply = written.read_bytes() if written.is_file() else b""
        if trouble:
            raise ExecutionError(self.name, *broken_off(reply, self._plan, nodes, self._scores), trouble)
        return reply

    def _emulate(self, folder: str, options: Sequence[str]) -> str:
        """Why the firmware did not end well; empty where it did."""
        machine = self._plan.target.core.qemu_machine
        command = [self._qemu, "-M", machine, "-nographic", "-monitor", "stdio", "-serial", "none",
                   "-semihosting-config", "enable=on,target=native", "-kernel", str(self._elf), *options]  # fmt: skip
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdin is not None
            try:
                status = process.wait(self._seconds)
            except subprocess.TimeoutExpired:
                said, _ = process.communicate("stop\ninfo registers\nquit\n")
                return f"still running after {self._seconds:g} s; {registers(said)}"
            said, complaint = process.communicate()
        if not status:
            return ""
        return f"status {status}: {(complaint.splitlines() or ['no message'])[0]}; {registers(complaint)}"


def registers(text: str) -> str:
    """The core's registers from QEMU's dump, as unicorn's faults print them."""
    found = {int(number): value for number, value in re.findall(r"R(\d\d)=([0-9a-f]{8})", text)}
    names = {15: "pc", 14: "lr", 13: "sp", **{i: f"r{i}" for i in range(13)}}
    return ", ".join(f"{name} 0x{found[number]}" for number, name in names.items() if number in found) or "no registers"
