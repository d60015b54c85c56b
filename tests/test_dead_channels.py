"""Dropping dead channels changes no output; constants at padded borders are the trap."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.graph import Graph, Int8
from cpcc.ops import conv2d, depthwise_conv2d, linear, lookup, max_pool2d, mean
from cpcc.ops.base import Op
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear, Lookup, MaxPool2d, Mean
from cpcc.passes.dead_channels import dead_channels, drop_dead_channels, kept_channels
from cpcc.quantize import run_int8, run_nodes
from cpcc.tied_weights import tied_groups
from support import chain, detector_of, extreme_inputs


def conv(rng: np.random.Generator, out: int, channels: int, pad: int) -> Conv2d:
    """Some channels without weights, at or above zero after the ReLU; some inputs unread."""
    weight = rng.normal(0, 1, (out, 3, 3, channels)).astype(np.float32)
    bias = rng.normal(0, 1, out).astype(np.float32)
    weight[rng.random(out) < 0.4] = 0
    weight[..., rng.random(channels) < 0.2] = 0
    return Conv2d(weight, bias, (1, 1), (pad,) * 4, True)


def network(rng: np.random.Generator) -> Graph:
    pads = rng.integers(0, 2, 3)
    side = 8 + 2 * int(pads.sum()) - 6
    depthwise = DepthwiseConv2d(rng.normal(0, 1, (3, 3, 6)).astype(np.float32), np.zeros(6, np.float32), (1, 1),
                                (int(pads[1]),) * 4, bool(rng.integers(2)))  # fmt: skip
    half = side // 2
    averaged = bool(rng.integers(2))
    pixels = 1 if averaged else half * half
    last = Linear(rng.normal(0, 1, (3, pixels * 5)).astype(np.float32), np.zeros(3, np.float32))
    pool: list[tuple[Op, object]] = [(max_pool2d.OP, MaxPool2d((2, 2), (2, 2), (0, 0, 0, 0), (half, half)))]
    if averaged:
        pool = [(lookup.OP, Lookup("hardswish")), (mean.OP, Mean(side * side))]
    return chain((8, 8, 2), [
        (conv2d.OP, conv(rng, 6, 2, int(pads[0]))), (depthwise_conv2d.OP, depthwise),
        (conv2d.OP, conv(rng, 5, 6, int(pads[2]))),
        *pool, (linear.OP, last),
    ])  # fmt: skip


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_outputs_stay(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = detector_of(network(rng), rng).graph
    x = extreme_inputs(rng, graph.input.shape, 8)
    np.testing.assert_array_equal(run_int8(drop_dead_channels(graph), x), run_int8(graph, x))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_channels_kept_are_named(seed: int) -> None:
    """What is left of every tensor is the named channels of the tensor as it was, value by value."""
    rng = np.random.default_rng(seed)
    graph = detector_of(network(rng), rng).graph
    x = extreme_inputs(rng, graph.input.shape, 4)
    thinned, kept = drop_dead_channels(graph), kept_channels(graph)
    before, after = run_nodes(graph, Int8, x), run_nodes(thinned, Int8, x)
    for name, values in after.items():
        own = before[name][..., kept[name]] if name in kept else before[name]
        np.testing.assert_array_equal(values, own, err_msg=name)


def test_channels_go() -> None:
    """A channel without weights is dropped, with the depthwise channel behind it."""
    weight = np.ones((4, 1, 1, 2), np.float32)
    weight[1] = 0
    depthwise = DepthwiseConv2d(np.ones((3, 3, 4), np.float32), np.zeros(4, np.float32), (1, 1), (1,) * 4, True)
    head = Linear(np.ones((2, 4 * 16), np.float32), np.zeros(2, np.float32))
    graph = detector_of(chain((4, 4, 2), [
        (conv2d.OP, Conv2d(weight, np.array([0.1, -1, 0.1, 0.1], np.float32), (1, 1), (0,) * 4, True)),
        (depthwise_conv2d.OP, depthwise), (linear.OP, head),
    ]), np.random.default_rng(0)).graph  # fmt: skip
    dropped = dict(dead_channels(graph, drop_dead_channels(graph)))
    assert dropped == {"t0": 1, "t1": 1}


def test_a_constant_that_differs_from_the_padding_stays() -> None:
    weight = np.ones((2, 1, 1, 1), np.float32)
    weight[1] = 0
    second = Conv2d(np.ones((1, 3, 3, 2), np.float32), np.zeros(1, np.float32), (1, 1), (1,) * 4)
    graph = detector_of(chain((4, 4, 1), [
        (conv2d.OP, Conv2d(weight, np.array([0.0, 1.0], np.float32), (1, 1), (0,) * 4, True)), (conv2d.OP, second),
    ]), np.random.default_rng(0)).graph  # fmt: skip
    assert drop_dead_channels(graph) is graph


def test_nothing_dead_is_the_same_graph() -> None:
    rng = np.random.default_rng(1)
    graph = detector_of(
        chain((4,), [(linear.OP, Linear(np.ones((3, 4), np.float32), np.zeros(3, np.float32)))]), rng
    ).graph
    assert drop_dead_channels(graph) is graph


def test_channels_go_through_a_mean_and_a_table() -> None:
    """Behind a global mean and an activation, as at the end of most networks."""
    weight = np.ones((4, 1, 1, 2), np.float32)
    weight[1] = 0
    bias = np.array([0.1, 0.5, 0.1, 0.1], np.float32)
    graph = detector_of(chain((4, 4, 2), [
        (conv2d.OP, Conv2d(weight, bias, (1, 1), (0,) * 4, True)), (lookup.OP, Lookup("hardswish")), (mean.OP, Mean(16)),
        (linear.OP, Linear(np.ones((2, 4), np.float32), np.zeros(2, np.float32))),
    ]), np.random.default_rng(0)).graph  # fmt: skip
    thinned = drop_dead_channels(graph)
    assert [thinned.tensors[name].shape[-1] for name in ("t0", "t1", "t2")] == [3, 3, 3]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_of_layers_with_the_same_weights_the_same_channels_go(seed: int) -> None:
    """So those are still the same; and a channel that is dead around all of them goes."""
    rng = np.random.default_rng(seed)
    again = conv(rng, 6, 6, 1)
    again.weight[5], again.bias[5], again.weight[..., 5] = 0, 0, 0
    layers: list[tuple[Op, object]] = [(conv2d.OP, conv(rng, 6, 2, 1)), *[(conv2d.OP, again)] * 3]
    graph = detector_of(chain((6, 5, 2), [*layers, (linear.OP, head(rng, 180, 5))]), rng).graph
    thin, x = drop_dead_channels(graph), extreme_inputs(rng, graph.input.shape, 8)
    np.testing.assert_array_equal(run_int8(thin, x), run_int8(graph, x))
    ((first, *others),) = tied_groups(thin)
    assert len(others) == 2 and first.params.weight.shape[-1] < 6


def head(rng: np.random.Generator, inputs: int, unread: int) -> Linear:
    """Does not read one channel of six."""
    weight = rng.normal(0, 1, (3, inputs))
    weight[:, unread::6] = 0
    return Linear(weight.astype(np.float32), np.zeros(3, np.float32))
