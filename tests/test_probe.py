"""Small fixed networks through the sanitized host C: quick enough to run once per mutant."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cpcc
from cpcc.graph import Float32, Graph, Node, Tensor, validate
from cpcc.ops import (
    OPS,
    WIDE,
    avg_pool2d,
    concat,
    conv2d,
    depthwise_conv2d,
    linear,
    lookup,
    max_pool2d,
    mul,
    pad,
    strided_copy,
    weighted_sum,
)
from cpcc.ops.base import Kernel, Op
from cpcc.ops.float_params import AvgPool2d, Concat, Conv2d, DepthwiseConv2d, Linear, Lookup, MaxPool2d, StridedCopy
from cpcc.targets import TARGETS
from support import assert_equal, chain, compiled, detector_of, extreme_inputs, input_type, single


def test_the_package_under_test_is_the_mutant() -> None:
    if mutant := os.environ.get("CPCC_MUTANT"):
        assert Path(cpcc.__file__).is_relative_to(mutant)


def probe(op: Op, params: object, shape: tuple[int, ...], policy: object = None, target: str = "stm32") -> None:
    rng = np.random.default_rng(6)
    graph = chain(shape, [(op, params)])
    c = compiled(detector_of(graph, rng), TARGETS[target], policy)
    assert input_type(c.detector).zero_point != 0, "padding with 0 would go unnoticed"
    x = extreme_inputs(rng, shape, 24)
    assert_equal(c.reference().run(x, quantized=True, nodes=True), c.host().run(x, quantized=True, nodes=True))


def weights(*shape: int, keep: float) -> np.ndarray:
    rng = np.random.default_rng(4)
    return (rng.normal(0, 1, shape) * (rng.random(shape) < keep)).astype(np.float32)


def only(*names: str) -> Callable[[Kernel], bool]:
    """A policy: of the ops that have a kernel so named, that kernel alone."""
    ops = {k.name for op in OPS if {k.name for k in op.kernels} & set(names) for k in op.kernels}
    return lambda kernel: kernel.name in names or kernel.name not in ops


def test_linear() -> None:
    for kernel, keep in (("linear_dense", 1.0), ("linear_sparse", 0.1)):
        w = weights(7, 300, keep=keep)
        probe(linear.OP, Linear(w, np.linspace(-1, 1, 7, dtype=np.float32)), (300,), only(kernel))


def test_conv() -> None:
    for kernel, keep in (("conv2d_dense", 1.0), ("conv2d_sparse", 0.2)):
        conv = Conv2d(
            weights(3, 3, 3, 2, keep=keep), np.array([0.1, -0.2, 0.3], np.float32), (1, 1), (1, 1, 2, 1), True
        )
        probe(conv2d.OP, conv, (6, 6, 2), only(kernel))


def test_pool() -> None:
    spans = avg_pool2d.adaptive_spans(5, 3)
    areas = tuple(tuple((b - a) * (d - c) for c, d in spans) for a, b in spans)
    probe(avg_pool2d.OP, AvgPool2d(spans, spans, areas), (5, 5, 3))


def test_elementwise() -> None:
    probe(strided_copy.OP, StridedCopy((4, 3, 2), ((4, 1), (3, 4), (2, 12))), (2, 3, 4))
    for op in (lookup.OP, mul.OP, weighted_sum.OP, concat.OP, pad.OP):
        rng = np.random.default_rng(3)
        graph = single(op, rng)
        c = compiled(detector_of(graph, rng))
        x = extreme_inputs(rng, graph.input.shape, 24)
        assert_equal(c.reference().run(x, quantized=True, nodes=True), c.host().run(x, quantized=True, nodes=True))


def probe_core(target: str, convolution: str, depthwise_kernel: str, fully_connected: str) -> None:
    """Odd sizes: a row of one pixel too many, channels that fill no group, a column of pixels, a patch of odd length."""
    conv = Conv2d(weights(6, 3, 3, 3, keep=0.7), np.zeros(6, np.float32), (1, 1), (1, 1, 1, 1), True)
    depthwise = DepthwiseConv2d(weights(3, 3, 6, keep=1.0), np.zeros(6, np.float32), (1, 1), (1, 1, 1, 1))
    column = DepthwiseConv2d(weights(4, 1, 8, keep=1.0), np.zeros(8, np.float32), (2, 1), (1, 1, 0, 0))
    fc = Linear(weights(11, 37, keep=1.0), np.zeros(11, np.float32))
    probe(conv2d.OP, conv, (5, 5, 3), only(convolution), target)
    probe(depthwise_conv2d.OP, depthwise, (7, 5, 6), only(depthwise_kernel), target)
    probe(depthwise_conv2d.OP, column, (12, 1, 8), only(depthwise_kernel), target)
    probe(linear.OP, fc, (37,), only(fully_connected), target)


def test_without_simd() -> None:
    probe_core("cortex-m3", "conv2d_swar", "depthwise_twin", "linear_rows8")


def test_cortex_m0plus() -> None:
    probe_core("cortex-m0plus", "conv2d_swar2", "depthwise_twin", "linear_rows8")


def test_helium() -> None:
    probe_core("cortex-m55", "conv2d_mve", "depthwise_mve", "linear_mve")
    whole = Conv2d(weights(3, 2, 1, 16, keep=1.0), np.zeros(3, np.float32), (1, 1), (0, 0, 0, 0))
    probe(conv2d.OP, whole, (4, 3, 16), only("conv2d_mve"), "cortex-m55")  # runs of whole vectors, yet two of them


def dual_cases() -> dict[str, tuple[Op, object, tuple[int, ...], str]]:
    """Odd widths, channels that fill no group of four, rows that leave bytes over. By name: op, parameters, input shape, kernel."""
    conv = Conv2d(weights(5, 3, 3, 3, keep=1.0), np.zeros(5, np.float32), (1, 1), (1, 1, 1, 1), True)
    sparse = Conv2d(weights(5, 3, 3, 3, keep=0.3), np.ones(5, np.float32), (2, 1), (1, 1, 2, 0), True)
    depthwise = DepthwiseConv2d(weights(3, 3, 6, keep=1.0), np.zeros(6, np.float32), (1, 1), (1, 1, 1, 1))
    thin = DepthwiseConv2d(weights(3, 3, 6, keep=0.4), np.ones(6, np.float32), (2, 1), (1, 1, 2, 1), True)
    fc = Linear(weights(7, 30, keep=0.5), np.zeros(7, np.float32))
    tall = Conv2d(weights(5, 3, 2, 5, keep=0.3), np.ones(5, np.float32), (1, 1), (1, 1, 0, 1), True)
    four = Conv2d(weights(5, 3, 2, 8, keep=0.3), np.ones(5, np.float32), (2, 1), (1, 1, 0, 1), True)
    signs = np.sign(weights(5, 3, 2, 5, keep=0.5)) * np.linspace(0.2, 1, 5, dtype=np.float32)[:, None, None, None]
    few = Conv2d(signs, np.ones(5, np.float32), (2, 1), (1, 1, 0, 1), True)
    wide = Linear(weights(7, 300, keep=0.2), np.linspace(-1, 1, 7, dtype=np.float32), True)
    cases = (
        (conv2d.OP, conv, (5, 5, 3), "conv2d_paired"), (conv2d.OP, sparse, (7, 11, 3), "conv2d_sparse8"),
        (conv2d.OP, four, (7, 9, 8), "conv2d_blocks8"), (conv2d.OP, few, (7, 9, 5), "conv2d_signs8"),
        (depthwise_conv2d.OP, depthwise, (7, 5, 6), "depthwise_paired"),
        (depthwise_conv2d.OP, depthwise, (7, 5, 6), "depthwise_quad"),
        (depthwise_conv2d.OP, depthwise, (7, 5, 6), "depthwise_3x3"),
        (depthwise_conv2d.OP, thin, (7, 5, 6), "depthwise_unrolled"),
        (linear.OP, fc, (30,), "linear_paired"), (linear.OP, fc, (30,), "linear_narrow"), (linear.OP, fc, (30,), "linear_sparse2"),
        (linear.OP, wide, (300,), "linear_unrolled"),
        (conv2d.OP, conv, (5, 5, 3), "conv2d_paired_apart"), (conv2d.OP, sparse, (7, 11, 3), "conv2d_sparse8_apart"),
        (linear.OP, fc, (30,), "linear_paired_apart"), (linear.OP, wide, (300,), "linear_unrolled_apart"),
        (conv2d.OP, four, (7, 9, 8), "conv2d_blocks8_apart"),
    )  # fmt: skip
    return {"tall": (conv2d.OP, tall, (11, 5, 5), "conv2d_sparse8"), **{case[3]: case for case in cases}}


DUAL = dual_cases()


@pytest.mark.parametrize("case", DUAL)
def test_dual(case: str) -> None:
    """Kernels for the DSP extension. One test each, since mutants run them."""
    op, params, shape, kernel = DUAL[case]
    probe(op, params, shape, only(kernel))


def test_depthwise_apart() -> None:
    """Constants beside the weights: several groups of four channels, the last of which overlaps the one before."""
    bias = np.linspace(-1, 1, 10, dtype=np.float32)
    for kernel, size, stride, padding in (
        ("depthwise_paired", (3, 3), (1, 1), (1, 1, 1, 1)), ("depthwise_tall", (3, 3), (1, 1), (1, 1, 1, 1)),
        ("depthwise_stride2", (3, 3), (2, 2), (1, 1, 1, 0)), ("depthwise_column", (4, 1), (1, 1), (2, 1, 0, 0)),
        ("depthwise_quad", (5, 2), (2, 1), (2, 2, 0, 1)), ("depthwise_3x3", (3, 3), (1, 2), (1, 1, 0, 1)),
    ):  # fmt: skip
        layer = DepthwiseConv2d(weights(*size, 10, keep=1.0), bias, stride, padding)
        probe(depthwise_conv2d.OP, layer, (7, 5, 10), only(kernel))


def joined() -> Graph:
    """An int8 tensor (behind a table) and an int16 one, joined in int16, and the int16 one read in int8."""
    tensors = {n: Tensor(n, (s,), Float32()) for n, s in (("x", 4), ("t", 4), ("a", 4), ("y", 8), ("b", 4), ("z", 4))}
    eye = np.eye(8, dtype=np.float32)
    nodes = (
        Node("table", Lookup("tanh"), ("x",), "t"),
        Node("fc", Linear(3 * eye[:4, :4], np.ones(4, np.float32)), ("x",), "a"),
        Node("cat", Concat(0), ("t", "a"), "y"),
        Node("last", Linear(eye[:4], np.ones(4, np.float32)), ("y",), "b"),
        Node("end", Lookup("tanh"), ("b",), "z"),
    )
    return validate(Graph("t", tensors, nodes, ("x",), ("z",)), Float32)


def test_int16() -> None:
    """Every kernel of int16 activations: sums beyond int32, borders, two operands, conversions both ways, moved values."""
    rng = np.random.default_rng(8)
    long = np.where(rng.random((3, 700)) < 0.5, -1, 1).astype(np.float32)
    padded = Conv2d(weights(3, 2, 3, 2, keep=1.0), np.array([0.1, -0.2, 0.3], np.float32), (1, 1), (1, 1, 2, 1), True)
    graphs = [
        chain((700,), [(linear.OP, Linear(long, np.linspace(-1, 1, 3, dtype=np.float32)))]),
        chain((6, 6, 2), [(conv2d.OP, padded), (lookup.OP, Lookup("tanh"))]),
        chain((2, 3, 4), [(strided_copy.OP, StridedCopy((4, 3, 2), ((4, 1), (3, 4), (2, 12))))]),
        chain((5, 5, 3), [(max_pool2d.OP, MaxPool2d((2, 2), (2, 2), (0, 0, 0, 0), (2, 2)))]),
        joined(),
        *(single(op, np.random.default_rng(3)) for op in WIDE),
    ]
    odd = Conv2d(weights(3, 3, 3, 1, keep=1.0), np.array([0.1, -0.2, 0.3], np.float32), (1, 1), (1, 1, 1, 1))
    odd_graph = chain(
        (5, 5, 1), [(conv2d.OP, odd), (linear.OP, Linear(weights(3, 75, keep=1.0), np.zeros(3, np.float32)))]
    )
    portable = [(odd_graph, lambda kernel: not (kernel.wide and kernel.requires))]
    for graph, policy in [*((graph, None) for graph in (odd_graph, *graphs)), *portable]:
        c = compiled(detector_of(graph, rng, wide=[node.name for node in graph.nodes]), policy=policy)
        x = extreme_inputs(rng, graph.input.shape, 24, type(c.detector.graph.input.integer))
        x[3] = np.where(long[0] > 0, 32767, -32768) if graph.input.shape == (700,) else x.min() // 2
        assert_equal(c.reference().run(x, quantized=True, nodes=True), c.host().run(x, quantized=True, nodes=True))
