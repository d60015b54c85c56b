"""What this machine needs: seconds and memory of `cpcc build` with a warm compiler cache, and the speed of the emulator.

Figures of one machine, reported and not tested. Goals: VWW in under 5 s and under 1 GiB, without torch; at least 200 MIPS."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cost_layers import detector_of
from rows import models_folder, plan_of

from cpcc import artifacts
from cpcc.emit import emit_library
from cpcc.executors.arm import ArmExecutor
from cpcc.frontends.tflite import to_graph
from cpcc.passes.dead_channels import drop_dead_channels
from cpcc.project import main_source

MODEL = "vww_96_int8"
BUILD = """
import json, resource, sys
from cpcc.cli import cli
code = 0
try:
    cli.main(sys.argv[1:], standalone_mode=False)
finally:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss keeps the parent's
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(u.ru_utime + u.ru_stime for u in (usage, children))
    print(json.dumps({"rss": int(peak.split()[1]) * 1024, "cpu": cpu, "torch": "torch" in sys.modules}), file=sys.stderr)
"""


@dataclass(frozen=True)
class Machine:
    """Seconds of `cpcc build` of the model from a warm cache, by the clock and of processor time; resident bytes; whether torch was
    imported; million emulated instructions per second of processor time."""

    seconds: float
    cpu_seconds: float
    rss: int
    torch: bool
    mips: float


def build_cost(model: Path) -> tuple[float, float, int, bool]:
    """Of a second build, in a process of its own."""
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            command = [sys.executable, "-c", BUILD, "build", str(model), "-o", f"{folder}/b", "--target", "cortex-m4"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds = time.perf_counter() - begin
    found = json.loads(done.stderr.splitlines()[-1])
    return seconds, found["cpu"], found["rss"], found["torch"]


def emulated_mips(model: Path) -> float:
    """Instructions counted per second of one uninterrupted inference."""
    graph = drop_dead_channels(to_graph(model.read_bytes(), "t").graph)
    plan, detector = plan_of(graph, "cortex-m4", "speed"), detector_of(graph)
    elf = artifacts.arm_image(plan, emit_library(plan, detector, "bench"), main_source(plan, detector, "bench", []))
    executor = ArmExecutor(plan, detector, "bench", elf)
    sample = np.zeros((1, *graph.input.shape), np.int8)
    instructions = executor.measure(sample).instructions
    begin = time.process_time()
    for _ in range(20):
        executor.run(sample, quantized=True)
    return 20 * instructions / (time.process_time() - begin) / 1e6


def measure() -> Machine | None:
    """None where the model is not there."""
    model = models_folder() / f"{MODEL}.tflite"
    if not model.is_file():
        print(f"SKIPPED: {model} is not there; set CPCC_MODELS")
        return None
    seconds, cpu, rss, torch = build_cost(model)
    found = Machine(round(seconds, 2), round(cpu, 2), rss, torch, round(emulated_mips(model)))
    print(f"cpcc build {MODEL}: {found.seconds} s with a warm cache ({found.cpu_seconds} s of processor time), {rss / 2**20:.0f} MiB, "
          f"torch {'imported' if torch else 'not imported'}; emulation {found.mips:.0f} MIPS")  # fmt: skip
    return found
