"""Small fixed networks through the sanitized host C: quick enough to run once per mutant."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

import cpcc
from cpcc.ops import avg_pool2d, concat, conv2d, linear, lookup, mul, pad, strided_copy, weighted_sum
from cpcc.ops.base import Op
from cpcc.ops.float_params import AvgPool2d, Conv2d, Linear, StridedCopy
from cpcc.plan.kernels import dense_only
from support import assert_equal, chain, compiled, detector_of, extreme_inputs, input_type, single


def test_the_package_under_test_is_the_mutant() -> None:
    if mutant := os.environ.get("CPCC_MUTANT"):
        assert Path(cpcc.__file__).is_relative_to(mutant)


def probe(op: Op, params: object, shape: tuple[int, ...], policy: object = None) -> None:
    rng = np.random.default_rng(6)
    graph = chain(shape, [(op, params)])
    c = compiled(detector_of(graph, rng), policy=policy)
    assert input_type(c.detector).zero_point != 0, "padding with 0 would go unnoticed"
    x = extreme_inputs(rng, shape, 24)
    assert_equal(c.reference().run(x, quantized=True, nodes=True), c.host().run(x, quantized=True, nodes=True))


def weights(*shape: int, keep: float) -> np.ndarray:
    rng = np.random.default_rng(4)
    return (rng.normal(0, 1, shape) * (rng.random(shape) < keep)).astype(np.float32)


def test_linear() -> None:
    for policy, keep in ((dense_only, 1.0), (None, 0.1)):
        w = weights(7, 300, keep=keep)
        probe(linear.OP, Linear(w, np.linspace(-1, 1, 7, dtype=np.float32)), (300,), policy)


def test_conv() -> None:
    for policy, keep in ((dense_only, 1.0), (None, 0.2)):
        conv = Conv2d(
            weights(3, 3, 3, 2, keep=keep), np.array([0.1, -0.2, 0.3], np.float32), (1, 1), (1, 1, 2, 1), True
        )
        probe(conv2d.OP, conv, (6, 6, 2), policy)


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
