"""Instructions that a kernel will take: features of the layer times constants fitted from measured runs.

`python bench/fit_costs.py` measures every kernel on the emulated Cortex-M4 (zig -O2) and writes the constants."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from importlib.resources import files

from cpcc.graph import Graph, Node

Features = Callable[[Node, Graph], tuple[float, ...]]


@functools.cache
def constants() -> dict[str, tuple[float, ...]]:
    """The fitted constants by kernel, in the order of its features."""
    text = (files("cpcc") / "costs.json").read_text()
    return {name: tuple(values) for name, values in json.loads(text).items()}


def fitted(name: str, features: Features) -> Callable[[Node, Graph], float]:
    """The estimate of kernel `name`."""

    def cost(node: Node, graph: Graph) -> float:
        values, weights = features(node, graph), constants()[name]
        assert len(values) == len(weights), f"{name}: fit the costs again (python bench/fit_costs.py)"
        return sum(v * w for v, w in zip(values, weights))

    cost.features = features  # type: ignore[attr-defined]
    return cost
