"""Code, stack and arena of every network of the zoo, for speed and for size, on the Cortex-M4."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rows import Peer, Row, run, show

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from cpcc.detector import to_channels_last
from cpcc.frontends.torch_export import to_graph
from cpcc.models.exporting import export_module
from cpcc.quantize import calibrate, quantize_graph
from zoo import ZOO

M4 = "cortex-m4"


def zoo_rows() -> Iterator[Row]:
    """As drawn, at the zoo's small input sizes: code does not depend on them. Weights are random and dense."""
    for name, entry in ZOO.items():
        torch.manual_seed(1)
        net = entry.build(entry.small, entry.outputs).eval()
        graph = to_graph(export_module(net, entry.small), name)
        x = np.ascontiguousarray(to_channels_last(torch.randn(16, *entry.small).numpy().astype(np.float64)))
        int8 = quantize_graph(graph, calibrate(graph, x))
        for policy in ("speed", "size"):
            yield show(run(name, int8, M4, policy, "zig", Peer()))
