"""Exact instruction counts in QEMU, for cores that unicorn lacks: a plugin of its code generator, compiled on demand.

What it watches and writes: firmware/harness/qemu_counter.c. Instructions of an IT block count also where their condition
fails, and so do those of a loop's last pass, as in unicorn."""

from __future__ import annotations

import functools
from importlib.resources import files
from pathlib import Path

from cpcc.executors.base import Cost
from cpcc.executors.cycles import dual_beat_cycles
from cpcc.executors.elf import read_image
from cpcc.toolchains import build_program, host_cc

COUNTS = "counts.txt"  # the plugin's output, in the folder in which QEMU runs


@functools.cache
def _plugin() -> Path:
    source = (files("cpcc.firmware") / "harness" / "qemu_counter.c").read_text()
    return build_program(host_cc(), {"qemu_counter.c": source}, ".so", shared=True)


def counter_options(elf: Path) -> list[str]:
    """QEMU's command-line options that count what the harness image `elf` executes."""
    symbols = read_image(elf).symbols
    gate, low = symbols["cpcc_gate"], symbols["_ebss"].address
    values = f"gate={gate.address:#x},end={gate.address + gate.size:#x},stack={low:#x},out={COUNTS}"
    return ["-plugin", f"{_plugin()},{values}"]


def read_cost(text: str, layers: int) -> Cost:
    """Of the first sample of a request with all nodes. Raises `ValueError` where intervals are missing."""
    intervals = [tuple(map(int, line.split())) for line in text.splitlines()]
    of_calls = intervals[1::2]  # the others are the harness
    if len(of_calls) <= layers:
        raise ValueError(f"{len(of_calls)} calls counted, expected {layers + 1}")
    each = [(instructions, dual_beat_cycles(instructions, vectors)) for instructions, vectors, _ in of_calls]
    total, cycles = each[layers]
    counts, modelled = zip(*each[:layers]) if layers else ((), ())
    return Cost(total, tuple(counts), of_calls[layers][2], cycles, tuple(modelled))
