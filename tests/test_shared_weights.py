"""Calls of one layer have one type where that costs at most a bit, so their constants, scales and biases too, are stored once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from conftest import need_tool
from cpcc.fixedpoint import Requant, TfliteRequant
from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Graph, Int8, Node
from cpcc.models.exporting import export_module
from cpcc.ops import conv2d, depthwise_conv2d, linear, op_of
from cpcc.ops.base import Code, Op, Packed
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.plan.copies import Copies, copies
from cpcc.plan.plan import estimate, make_plan
from cpcc.plan.sizes import stored_bytes, times_stored
from cpcc.quant import shared_weights
from cpcc.quant.noise import layer_noise
from cpcc.quant.shared_weights import MOST, with_shared_ranges
from cpcc.quantize import calibrate, quantize_graph
from cpcc.targets import TARGETS
from support import Compiled, assert_equal, chain, check_everywhere, compiled, detector_for, extreme_inputs


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


def need(target: str) -> None:
    """What emulates its core."""
    if target == "cortex-m55":
        need_tool("qemu-system-arm")


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


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus", "cortex-m3", "cortex-m7", "cortex-m55"])
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
    assert {step.kernel.tied for step in steps} == {target in ("stm32", "cortex-m7")}
    need(target)
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), graph.input.shape))


def test_a_layer_that_is_called_once_has_no_kernel_for_tied_weights() -> None:
    graph, x = siamese(1.2)
    plan = planned(quantize_graph(graph, calibrate(graph, x)), "stm32").plan
    assert not any(step.kernel.tied for step in plan.steps)


def with_two_roundings(graph: Graph) -> Graph:
    """As TensorFlow Lite rounds, by the same scales."""

    def rounded(node: Node) -> Node:
        output = getattr(node.params, "output", None)
        if not op_of(node, Int8).weights or not isinstance(output.requant, Requant):
            return node
        scales = output.requant.multiplier * 2.0 ** (output.requant.left_shift - 32)
        own = replace(output, requant=TfliteRequant.from_scales(scales))
        return replace(node, params=replace(node.params, output=own))

    return replace(graph, nodes=tuple(map(rounded, graph.nodes)))


@pytest.mark.parametrize("target", ["stm32", "cortex-m7", "cortex-m55", "cortex-m3"])
@pytest.mark.parametrize(("keep", "block"), [(1.0, 1), (0.1, 1), (0.25, 4)])
def test_calls_that_round_as_tensorflow_lite_share_the_weights(keep: float, block: int, target: str) -> None:
    """Convolutions, dense, in single weights and in blocks, and a fully connected layer."""

    def mask(weight: torch.Tensor) -> torch.Tensor:
        return (torch.rand_like(weight[:, ::block]) < keep).repeat_interleave(block, 1)

    graph, x = tied(5.0)
    dense = quantize_graph(graph, calibrate(graph, x))
    for own, name in ((pruned(mask, target).detector.graph, "encoder"), (dense, "layer")):
        plan = make_plan(with_two_roundings(own), TARGETS[target])
        steps = [step for step in plan.steps if step.node.name.startswith(name) and step.macs_dense]
        assert len({plan.graph.input_tensors(step.node)[0].type for step in steps}) == len(steps)
        assert times_stored(step.packed for step in steps) == len(steps) // 2
        assert copies(plan.graph, plan.layers) == ()
        if target in ("stm32", "cortex-m7") and (keep == 1.0 or name == "layer"):
            assert {step.kernel.name.rpartition("_")[0] for step in steps} == {
                "conv2d_paired" if name == "encoder" else "linear_paired"
            }


def test_pruned_layers_that_round_as_tensorflow_lite_are_named() -> None:
    """Their shifts are in the steps of a program, so code and values are each call's own; other kernels take more than half of the cycles more."""
    plan = make_plan(with_two_roundings(ten_times()), TARGETS["stm32"])
    (found,) = copies(plan.graph, plan.layers)
    assert found.times == len(found.layers) == 10
    assert {plan.layers[name][0].kernel.name for name in found.layers} == {"linear_unrolled"}


def layers_of_every_kernel() -> list[tuple[Op, object, tuple[int, ...]]]:
    """Dense, sparse in single weights and in blocks, few weights, few levels; usual kernel sizes."""
    rng = np.random.default_rng(0)

    def weight(*shape: int, keep: float = 1.0, block: int = 1, levels: int = 0) -> np.ndarray:
        kept = (rng.random((*shape[:-1], shape[-1] // block)) < keep).repeat(block, -1)
        values = rng.normal(0, 1, shape) if levels == 0 else rng.integers(-levels, levels + 1, shape) / levels
        return (values * kept).astype(np.float32)

    bias, same = rng.normal(0, 0.1, 16).astype(np.float32), (1, 1, 1, 1)
    usual = [{}, {"keep": 0.1}, {"keep": 0.2, "block": 4}, {"levels": 1}, {"levels": 7}, {"levels": 7, "keep": 0.3}]
    linears = [Linear(weight(16, 64, **each), bias) for each in usual]
    more = [{"keep": 0.02}, {"keep": 0.2, "block": 16}]
    convs = [Conv2d(weight(16, 3, 3, 16, **each), bias, (1, 1), same) for each in (*usual, *more)]
    strided, wide, line = ((2, 2), (0, 1, 0, 1)), ((1, 1), (2, 2, 2, 2)), ((1, 1), (0, 0, 0, 0))
    plain = ((1, 1), same)
    shapes = [((3, 3), *plain, {}), ((3, 3), *strided, {}), ((5, 5), *wide, {}), ((4, 1), *line, {}), ((3, 3), *plain, {"keep": 0.2}),
              ((3, 3), *plain, {"levels": 1})]  # fmt: skip
    depthwise = [DepthwiseConv2d(weight(*size, 16, **each), bias, *rest) for size, *rest, each in shapes]
    return [
        *((linear.OP, layer, (64,)) for layer in linears),
        *((conv2d.OP, layer, (10, 10, 16)) for layer in convs),
        *((depthwise_conv2d.OP, layer, (12, 12, 16)) for layer in depthwise),
    ]


def test_which_kernels_store_weights_for_each_call() -> None:
    """Those for the DSP extension with a form whose constants lie apart; ternary rows; programs that follow from the types too: no others."""
    times: dict[str, set[int]] = {}
    for op, layer, shape in layers_of_every_kernel():
        graph = chain(shape, [(op, layer)])
        inputs = [np.random.default_rng(0).normal(0.3, wide, (30, *shape)) for wide in (1, 7)]
        calls = [quantize_graph(graph, calibrate(graph, x)) for x in inputs]
        for kernel in op.kernels:
            if all(kernel.applies(call.nodes[0], call) for call in calls):
                packed = [kernel.pack(call.nodes[0], call) for call in calls]
                times.setdefault(kernel.name, set()).add(times_stored(packed))
    assert set(times) == {kernel.name for op in (linear.OP, conv2d.OP, depthwise_conv2d.OP) for kernel in op.kernels}
    with_form = {"conv2d_paired", "conv2d_sparse8", "conv2d_blocks8", "linear_paired", "linear_unrolled"}
    assert {f"{name}_apart" for name in with_form} <= set(times)
    others = {"linear_narrow", "conv2d_signs8", "conv2d_unrolled", "depthwise_unrolled"}
    assert {name for name, found in times.items() if found != {1}} == with_form | others


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


def quarter_in_blocks(weight: torch.Tensor) -> torch.Tensor:
    return (torch.rand_like(weight[:, ::4]) < 0.25).repeat_interleave(4, 1)


def test_calls_in_blocks_of_other_types_share_the_weights() -> None:
    found = pruned(quarter_in_blocks, "stm32")
    steps = [step for step in found.plan.steps if step.node.name.startswith("encoder") and step.macs_dense]
    assert {step.kernel.name for step in steps} == {"conv2d_blocks8_apart"} and len(steps) == 4
    assert times_stored(step.packed for step in steps) == 2 and copies(found.plan.graph, found.plan.layers) == ()
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), found.plan.graph.input.shape))


def test_few_bytes_are_not_worth_many_cycles() -> None:
    """Without a form of their own for it, blocks keep their kernel: that for single weights would store them once, but saves few bytes and
    takes a fifth of the cycles more."""
    graph = pruned(quarter_in_blocks, "stm32").detector.graph
    plan = make_plan(graph, TARGETS["stm32"], lambda kernel: kernel.name != "conv2d_blocks8_apart")
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


def ten_times() -> Graph:
    torch.manual_seed(0)
    graph = to_graph(export_module(TenTimes().eval(), (400,)), "t")
    return quantize_graph(graph, calibrate(graph, np.random.default_rng(0).normal(0, 1, (40, 400))))


def test_pruned_fully_connected_calls_share_the_weights() -> None:
    """A program and its values once, biases and multipliers for each of ten calls."""
    found = planned(ten_times(), "stm32")
    steps = [step for step in found.plan.steps if step.macs_dense > 1000]
    assert len(steps) == 10 and {step.kernel.name for step in steps} == {"linear_unrolled_apart"}
    assert times_stored(step.packed for step in steps) == 1 and copies(found.plan.graph, found.plan.layers) == ()
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), (400,), 4))


def test_the_cycles_have_a_limit() -> None:
    """However much it saves: a program's ten streams are several times the bytes of the dense kernel's one, which takes nearly twice the cycles."""
    others = ("linear_unrolled_apart", "linear_sparse2")
    plan = make_plan(ten_times(), TARGETS["stm32"], lambda kernel: kernel.name not in others)
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


def depthwise(target: str, size: int, stride: int = 1, keep: float = 1.0) -> Compiled:
    torch.manual_seed(0)
    net = Depthwise(5.0, size, stride)
    net.encoder.weight.data *= torch.rand_like(net.encoder.weight) < keep
    graph = to_graph(export_module(net.eval(), (32, 8, 8)), "t")
    x = np.random.default_rng(0).normal(0, 1, (40, *graph.input.shape))
    return planned(quantize_graph(graph, calibrate(graph, x)), target)


@pytest.mark.parametrize("target", ["stm32", "cortex-m7", "cortex-m33", "cortex-m3", "cortex-m0plus"])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 1)])
def test_depthwise_calls_of_other_types_share_the_weights(size: int, stride: int, target: str) -> None:
    """On the kernels that run every depthwise layer, which find the scales beside the weights."""
    found = depthwise(target, size, stride)
    steps = [step for step in found.plan.steps if step.node.name.startswith("encoder")]
    inputs = {step.node.name: found.plan.graph.input_tensors(step.node)[0].type for step in steps}
    assert len(steps) == len(set(inputs.values())) == 2, "no types in common"
    assert times_stored(step.packed for step in steps) == 1 and copies(found.plan.graph, found.plan.layers) == ()
    assert all(step.kernel.requires & {"dsp", "scalar"} for step in steps)
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), found.plan.graph.input.shape))


class TwoSizes(nn.Module):
    """An image, and its means over four by four pixels five times as large, through one convolution."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(16, 16, 3, padding=1, groups=groups)
        self.head = nn.Linear(32, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = torch.tanh(x)
        small = nn.functional.avg_pool2d(whole, 4) * 5
        return self.head(torch.cat([torch.tanh(self.encoder(each)).mean((2, 3)) for each in (whole, small)], 1))


@pytest.mark.parametrize("target", ["stm32", "cortex-m55", "cortex-m3"])
@pytest.mark.parametrize(("groups", "keep"), [(1, 0.3), (16, 1.0)])
def test_calls_on_images_of_two_sizes_share_the_weights(groups: int, keep: float, target: str) -> None:
    """Though other kernels are the fastest for each: what stores the weights once must have one layout for all calls."""
    torch.manual_seed(0)
    net = TwoSizes(groups)
    net.encoder.weight.data *= torch.rand_like(net.encoder.weight) < keep
    graph = to_graph(export_module(net.eval(), (16, 16, 16)), "t")
    x = np.random.default_rng(0).normal(0, 1, (20, *graph.input.shape))
    plan = make_plan(quantize_graph(graph, calibrate(graph, x)), TARGETS[target])
    steps = [step for step in plan.steps if step.node.name.startswith("encoder")]
    assert len({plan.graph.input_tensors(step.node)[0].type for step in steps}) == 2
    assert times_stored(step.packed for step in steps) == 1 and copies(plan.graph, plan.layers) == ()


def test_copies_that_are_much_faster_are_made_and_named() -> None:
    """Programs of very sparse depthwise layers follow from the types too; every other kernel takes more than half of the cycles more."""
    plan = depthwise("stm32", 3, keep=0.1).plan
    steps = [step for step in plan.steps if step.node.name.startswith("encoder")]
    assert [step.kernel.name for step in steps] == 2 * ["depthwise_unrolled"]
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


def sixteens(target: str) -> Compiled:
    """A quarter of the blocks of sixteen channels, where a window's rows are whole blocks."""
    return pruned(
        lambda weight: (torch.rand_like(weight[:, ::16]) < 0.25).repeat_interleave(16, 1)[:, : weight.shape[1]], target
    )


def fives(target: str) -> Compiled:
    return depthwise(target, 5)


@pytest.mark.parametrize(("network", "kernel"), [(fives, "depthwise_mve"), (sixteens, "conv2d_mve_blocks")])
def test_helium_shares_depthwise_weights_and_blocks(network: Callable[[str], Compiled], kernel: str) -> None:
    found = network("cortex-m55")
    steps = [step for step in found.plan.steps if step.kernel.name == kernel]
    assert len(steps) == 2 and len({found.plan.graph.input_tensors(step.node)[0].type for step in steps}) == 2
    assert times_stored(step.packed for step in steps) == 1 and copies(found.plan.graph, found.plan.layers) == ()
    need("cortex-m55")
    check_everywhere(found, extreme_inputs(np.random.default_rng(1), found.plan.graph.input.shape))
