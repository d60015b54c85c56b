"""Signal-to-quantization-noise ratios: which layer costs how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.graph import Float32, Graph, Int8
from cpcc.ops import op_of
from cpcc.quant.running import batches, run_nodes
from cpcc.records import by_name, joined

SAMPLES = 64
BATCH = 8  # all tensors of a batch are held at once, in float64


@dataclass(frozen=True)
class Noise:
    """Of one layer, in dB over the calibration samples: `alone`, its own rounding with exact inputs rounded once;
    `so_far`, of the int8 network up to here. Infinite where the output is exact, or never changes."""

    alone: float
    so_far: float


def layer_noise(floats: Graph, int8: Graph, x: np.ndarray) -> dict[str, Noise]:
    """By node name, for the float samples `x` (n, ...) of which `SAMPLES` are used. Nodes that the quantizer added and
    nodes that move bytes alone are left out."""
    known = {node.output for node in floats.nodes}
    nodes = [node for node in int8.nodes if node.output in known and op_of(node, Int8).kernels]
    power = {node.name: np.zeros(3) for node in nodes}  # signal, noise alone, noise so far
    mean = {name: value.mean() for name, value in run_nodes(floats, Float32, x[:BATCH]).items()}
    types = {name: tensor.integer for name, tensor in int8.tensors.items()}
    for batch in batches(x[:SAMPLES], BATCH):
        exact = run_nodes(floats, Float32, batch)
        q = {name: types[name].quantize(part) for name, part in by_name(batch, int8.inputs).items()}
        actual = run_nodes(int8, Int8, joined(q))
        for node in nodes:
            wanted, kind = exact[node.output], types[node.output]
            inputs = [types[i].quantize(exact[_original(i, known, floats, int8)]) for i in node.inputs]
            alone = op_of(node, Int8).run_int8(node.params, *inputs)
            power[node.name] += [
                ((wanted - mean[node.output]) ** 2).sum(),
                ((kind.dequantize(alone) - wanted) ** 2).sum(),
                ((kind.dequantize(actual[node.output]) - wanted) ** 2).sum(),
            ]
    return {name: Noise(_decibel(s, alone), _decibel(s, far)) for name, (s, alone, far) in power.items()}


def worst(noise: dict[str, Noise]) -> str:
    """The layer with the least ratio of its own; "" without layers."""
    return min(noise, key=lambda name: noise[name].alone, default="")


def _original(tensor: str, known: set[str], floats: Graph, int8: Graph) -> str:
    """The float graph's tensor behind the conversions that the quantizer added."""
    while not (tensor in known or tensor in floats.inputs):
        tensor = next(node.inputs[0] for node in int8.nodes if node.output == tensor)
    return tensor


def _decibel(signal: float, noise: float) -> float:
    if noise == 0 or signal == 0:
        return float("inf")
    return float(10 * np.log10(signal / noise))
