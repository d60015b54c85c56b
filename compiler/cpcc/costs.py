"""What a kernel will cost: features of the layer times constants fitted from measured runs, for each core and level of optimization.

`python bench/fit_costs.py` measures every kernel on every emulated core (zig) and writes the constants, by kernel, core, level and
unit (``instructions``, ``cycles``), in the order of the kernel's features. Cycles are modelled: executors/cycles.py."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from cpcc.graph import Graph, Node

Features = Callable[[Node, Graph], tuple[float, ...]]

LEVELS = ("-O2", "-Os")  # as `Objective.level` names them

# Whose constants a core takes where a kernel has none of its own: unicorn does not emulate it, or nothing is fitted yet.
LIKE = {"cortex-m55": "cortex-m33", "cortex-m33": "cortex-m4", "cortex-m7": "cortex-m4", "host": "cortex-m4"}


@dataclass(frozen=True)
class Estimate:
    """Of one call of a layer: executed `instructions`, and modelled `cycles` without flash wait states."""

    instructions: float
    cycles: float

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.instructions + other.instructions, self.cycles + other.cycles)


@dataclass(frozen=True)
class Fit:
    """Constants of one kernel on one core at one level, in the order of its features."""

    instructions: tuple[float, ...]
    cycles: tuple[float, ...]


@functools.cache
def constants() -> dict[str, dict[tuple[str, str], Fit]]:
    """The fitted constants by kernel, and core and level."""
    found = json.loads((files("cpcc") / "costs.json").read_text())
    return {
        kernel: {
            (core, level): Fit(tuple(f["instructions"]), tuple(f["cycles"]))
            for core, levels in cores.items()
            for level, f in levels.items()
        }
        for kernel, cores in found.items()
    }


@dataclass(frozen=True)
class Cost:
    """The estimate of `kernel`; `features(node, graph)` are its layer's."""

    kernel: str
    features: Features

    def __call__(self, node: Node, graph: Graph, core: str = "cortex-m4", level: str = "-O2") -> Estimate:
        fit, values = self.fit(core, level), self.features(node, graph)
        assert len(values) == len(fit.cycles), f"fit the costs again: python bench/fit_costs.py {self.kernel}"
        instructions, cycles = (sum(v * w for v, w in zip(values, c)) for c in (fit.instructions, fit.cycles))
        return Estimate(instructions, cycles)

    def fit(self, core: str, level: str) -> Fit:
        """The constants for `core`, or for the one it is most like, compiled at `level`."""
        known = constants().get(self.kernel, {})
        while (core, level) not in known and core in LIKE:
            core = LIKE[core]
        assert (core, level) in known, f"fit the costs: python bench/fit_costs.py {self.kernel}"
        return known[core, level]


def fitted(kernel: str, features: Features) -> Cost:
    """The estimate of the kernel called `kernel`."""
    return Cost(kernel, features)
