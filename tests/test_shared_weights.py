"""Calls of one layer have one type where that costs at most a bit, so their constants, scales and biases too, are stored once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Graph
from cpcc.models.exporting import export_module
from cpcc.ops.base import Code, Packed
from cpcc.plan.copies import Copies, copies
from cpcc.plan.plan import estimate
from cpcc.plan.sizes import stored_bytes, times_stored
from cpcc.quant import shared_weights
from cpcc.quant.noise import layer_noise
from cpcc.quant.shared_weights import MOST, with_shared_ranges
from cpcc.quantize import calibrate, quantize_graph
from cpcc.targets import TARGETS
from support import Compiled, assert_equal, check_everywhere, compiled, detector_for, extreme_inputs


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
    shape = graph.input.shape
    return compiled(detector_for(graph, (shape[-1], *shape[:-1])), TARGETS[target])


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus", "cortex-m3"])
def test_an_encoder_of_two_branches_is_stored_once(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For no instruction more than with types of their own, and for less than a decibel anywhere; as ever equal on every executor."""
    graph, x = siamese(1.2)
    shared = quantize_graph(graph, calibrate(graph, x))
    monkeypatch.setattr(shared_weights, "MOST", 0.0)
    apart = quantize_graph(graph, calibrate(graph, x))
    found, before = planned(shared, target), planned(apart, target)
    encoder = [step.packed for step in found.plan.steps if step.node.name.startswith("encoder")]
    assert len(encoder) == 6 and stored_bytes(encoder) == stored_bytes(encoder[:3])
    assert stored_bytes(s.packed for s in found.plan.steps) < stored_bytes(s.packed for s in before.plan.steps)
    assert estimate(found.plan).instructions <= estimate(before.plan).instructions
    assert estimate(found.plan).cycles <= estimate(before.plan).cycles
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


class Tied(nn.Module):
    """Both halves of a vector through one layer, the second `gain` times larger."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.layer, self.head, self.gain = nn.Linear(40, 18), nn.Linear(18, 2), gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.tanh(x[:, :40]), torch.tanh(x[:, 40:]) * self.gain
        return self.head(torch.tanh(self.layer(a)) - torch.tanh(self.layer(b)))


def tied(gain: float) -> tuple[Graph, np.ndarray]:
    torch.manual_seed(0)
    graph = to_graph(export_module(Tied(gain).eval(), (80,)), "t")
    return graph, np.random.default_rng(0).normal(0, 1, (40, 80))


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus", "cortex-m3", "cortex-m7"])
@pytest.mark.parametrize(("network", "layer"), [(siamese, "encoder"), (tied, "layer")])
def test_calls_of_other_types_share_the_weights(
    network: Callable[..., tuple[Graph, np.ndarray]], layer: str, target: str
) -> None:
    """Where ranges are five times apart too, for at most a few per cent of the cycles: scales and biases are beside the weights then."""
    graph, x = network(5.0)
    found = planned(quantize_graph(graph, calibrate(graph, x)), target)
    steps = [step for step in found.plan.steps if step.node.name.startswith(layer) and step.macs_dense]
    inputs = {step.node.name: found.plan.graph.input_tensors(step.node)[0].type for step in steps}
    assert len(set(inputs.values())) == len(steps), "no types in common"
    assert times_stored(step.packed for step in steps) == len(steps) // 2
    assert copies(found.plan.graph, found.plan.layers) == ()
    assert {step.kernel.tied for step in steps} == {"dsp" in TARGETS[target].core.features}
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), graph.input.shape))


def test_a_layer_that_is_called_once_has_no_kernel_for_tied_weights() -> None:
    graph, x = siamese(1.2)
    plan = planned(quantize_graph(graph, calibrate(graph, x)), "stm32").plan
    assert not any(step.kernel.tied for step in plan.steps)


@pytest.mark.parametrize("target", ["stm32", "cortex-m33"])
def test_sparse_calls_of_other_types_share_the_weights(target: str) -> None:
    """Jumps and entries once, starts and multipliers for each call, for about a hundredth of the cycles."""
    found = pruned(lambda weight: torch.rand_like(weight) < 0.1, target)
    steps = [step for step in found.plan.steps if step.node.name.startswith("encoder") and step.macs_dense]
    assert {step.kernel.name for step in steps} == {"conv2d_sparse8_apart"} and len(steps) == 4
    assert times_stored(step.packed for step in steps) == 2 and copies(found.plan.graph, found.plan.layers) == ()
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), found.plan.graph.input.shape))


def test_arrays_that_hold_no_weights_do_not_count() -> None:
    """Lists of columns and tables are in common whatever the weights; scales differ where the weights are in common."""
    columns = np.arange(40, dtype=np.uint8)
    streams = [np.full(9, i, np.int32) for i in range(2)]
    assert times_stored(Packed({"stream": stream, "columns": columns}) for stream in streams) == 2
    assert times_stored(Packed({"rows.stream": streams[0], "rows.output.bias": bias}) for bias in streams) == 1
    program = Code("BEGIN", ("STEP",), 400)
    assert times_stored(Packed({"program": program, "stream": stream}) for stream in streams) == 2, (
        "weights beside code"
    )


@pytest.mark.parametrize("keep", [0.25, 0.1])
def test_blocks_keep_their_kernel(keep: float) -> None:
    """That for single weights would store them once, but saves few bytes and takes a fifth of the cycles more."""
    plan = pruned(lambda weight: (torch.rand_like(weight[:, ::4]) < keep).repeat_interleave(4, 1), "stm32").plan
    named = copies(plan.graph, plan.layers)
    assert named and all(each.times == 2 for each in named)
    assert {plan.layers[name][0].kernel.name for each in named for name in each.layers} == {"conv2d_blocks8"}


class TenTimes(nn.Module):
    """Ten parts of a vector through one layer with a third of its weights, each three times as large as the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(40, 64), nn.Linear(64, 2)
        self.layer.weight.data *= torch.rand_like(self.layer.weight) < 0.3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = torch.tanh(x).chunk(10, 1)
        found = torch.tanh(self.layer(parts[0]))
        for i in range(1, 10):
            found = found + torch.tanh(self.layer(parts[i] * 3.0**i))
        return self.head(found)


def test_the_cycles_have_a_limit() -> None:
    """However much it saves: a program's ten streams are several times the bytes of the dense kernel's one, which takes nearly twice the cycles."""
    torch.manual_seed(0)
    graph = to_graph(export_module(TenTimes().eval(), (400,)), "t")
    x = np.random.default_rng(0).normal(0, 1, (40, 400))
    plan = planned(quantize_graph(graph, calibrate(graph, x)), "stm32").plan
    (found,) = copies(plan.graph, plan.layers)
    assert found.times == len(found.layers) == 10
    assert {plan.layers[name][0].kernel.name for name in found.layers} == {"linear_unrolled"}


class Depthwise(nn.Module):
    """As `Siamese`, the encoder a depthwise convolution."""

    def __init__(self, gain: float, size: int, stride: int) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(16, 16, size, stride, padding=size // 2, groups=16)
        self.head, self.gain = nn.Linear(16 * (8 // stride) ** 2, 2), gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.tanh(x[:, :16]), torch.tanh(x[:, 16:]) * self.gain
        return self.head((torch.tanh(self.encoder(a)) - torch.tanh(self.encoder(b))).flatten(1))


def depthwise(size: int, stride: int) -> tuple[Graph, np.ndarray]:
    torch.manual_seed(0)
    graph = to_graph(export_module(Depthwise(5.0, size, stride).eval(), (32, 8, 8)), "t")
    return graph, np.random.default_rng(0).normal(0, 1, (40, *graph.input.shape))


@pytest.mark.parametrize("target", ["stm32", "cortex-m7", "cortex-m33"])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 1)])
def test_depthwise_calls_of_other_types_share_the_weights(size: int, stride: int, target: str) -> None:
    """On the kernels that run every depthwise layer, which find the scales beside the weights."""
    graph, x = depthwise(size, stride)
    found = planned(quantize_graph(graph, calibrate(graph, x)), target)
    steps = [step for step in found.plan.steps if step.node.name.startswith("encoder")]
    inputs = {step.node.name: found.plan.graph.input_tensors(step.node)[0].type for step in steps}
    assert len(steps) == len(set(inputs.values())) == 2, "no types in common"
    assert times_stored(step.packed for step in steps) == 1 and copies(found.plan.graph, found.plan.layers) == ()
    assert all("dsp" in step.kernel.requires for step in steps)
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), graph.input.shape))


def test_copies_that_are_much_faster_are_made_and_named() -> None:
    """Without the DSP extension the kernel reads scales between the weights; the portable one takes several times its cycles."""
    graph, x = depthwise(3, 1)
    plan = planned(quantize_graph(graph, calibrate(graph, x)), "cortex-m3").plan
    steps = [step for step in plan.steps if step.node.name.startswith("encoder")]
    assert len(steps) == 2 and all("scalar" in step.kernel.requires for step in steps)
    names = tuple(step.node.name for step in steps)
    assert copies(plan.graph, plan.layers) == (Copies(names, 2, stored_bytes(step.packed for step in steps)),)


def pruned(mask: Callable[[torch.Tensor], torch.Tensor], target: str) -> Compiled:
    """The encoder, its convolutions with the weights in `mask` alone; the second branch five times as large."""
    torch.manual_seed(0)
    net = Siamese(5.0)
    for layer in (module for module in net.encoder if isinstance(module, nn.Conv2d)):
        layer.weight.data *= mask(layer.weight)
    graph = to_graph(export_module(net.eval(), (8, 8, 8)), "t")
    x = np.random.default_rng(0).normal(0, 1, (40, *graph.input.shape))
    return planned(quantize_graph(graph, calibrate(graph, x)), target)
