"""Calls of one layer have one type where that costs at most a bit, so their constants, scales and biases too, are stored once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Graph
from cpcc.models.exporting import export_module
from cpcc.plan.plan import estimate
from cpcc.plan.sizes import stored_bytes
from cpcc.quant import shared_weights
from cpcc.quant.noise import layer_noise
from cpcc.quant.shared_weights import MOST, with_shared_ranges
from cpcc.quantize import calibrate, quantize_graph
from cpcc.targets import TARGETS
from support import Compiled, assert_equal, compiled, detector_for, extreme_inputs


class Siamese(nn.Module):
    """Two halves of the channels through one encoder, and their difference. The second half is `gain` times larger."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        encoder = [
            nn.Conv2d(4, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        self.encoder, self.head, self.gain = nn.Sequential(*encoder), nn.Linear(256, 2), gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.tanh(x[:, :4]), torch.tanh(x[:, 4:]) * self.gain
        return self.head((self.encoder(a) - self.encoder(b)).flatten(1))


def siamese(gain: float) -> tuple[Graph, np.ndarray]:
    """The float graph, and samples."""
    torch.manual_seed(0)
    graph = to_graph(export_module(Siamese(gain).eval(), (8, 8, 8)), "t")
    return graph, np.random.default_rng(0).normal(0, 1, (40, *graph.input.shape))


def planned(graph: Graph, target: str) -> Compiled:
    return compiled(detector_for(graph, (graph.input.shape[2], *graph.input.shape[:2])), TARGETS[target])


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus", "cortex-m3"])
def test_an_encoder_of_two_branches_is_stored_once(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For no instruction more, and for less than a decibel anywhere; as ever equal on every executor."""
    graph, x = siamese(1.2)
    shared = quantize_graph(graph, calibrate(graph, x))
    monkeypatch.setattr(shared_weights, "MOST", 0.0)
    apart = quantize_graph(graph, calibrate(graph, x))
    found, before = planned(shared, target), planned(apart, target)
    encoder = [step.packed for step in found.plan.steps if step.node.name.startswith("encoder")]
    assert len(encoder) == 6 and stored_bytes(encoder) == stored_bytes(encoder[:3])
    assert stored_bytes(s.packed for s in found.plan.steps) < stored_bytes(s.packed for s in before.plan.steps)
    assert estimate(found.plan) == estimate(before.plan)
    noise, other = layer_noise(graph, shared, x), layer_noise(graph, apart, x)
    assert all(noise[name].so_far > other[name].so_far - 1 for name in noise)
    q = extreme_inputs(np.random.default_rng(1), graph.input.shape)
    expected = found.reference().run(q, quantized=True, nodes=True)
    assert_equal(expected, found.host().run(q, quantized=True, nodes=True))
    assert_equal(expected, found.arm().run(q, quantized=True, nodes=True))


def test_calls_that_would_lose_more_than_a_bit_stay_apart() -> None:
    graph, x = siamese(3.0)
    ranges = calibrate(graph, x)
    assert with_shared_ranges(graph, ranges, frozenset()) == ranges
    graph, x = siamese(1.2)
    ranges = calibrate(graph, x)
    common = with_shared_ranges(graph, ranges, frozenset())
    changed = [name for name in ranges if common[name] != ranges[name]]
    assert changed
    for name in changed:
        (low, high), (wider_low, wider_high) = ranges[name], common[name]
        assert wider_low <= low and high <= wider_high
        assert wider_high - wider_low <= MOST * (max(high, 0) - min(low, 0))


def test_int16_tensors_keep_their_types() -> None:
    graph, x = siamese(1.2)
    ranges = calibrate(graph, x)
    assert with_shared_ranges(graph, ranges, frozenset(graph.tensors)) == ranges
