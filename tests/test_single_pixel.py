"""Convolutions of one pixel as fully connected layers: the same function, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cpcc.graph import Graph
from cpcc.ops import conv2d, linear
from cpcc.ops.float_params import Conv2d, Linear
from cpcc.ops.linear import QLinear
from cpcc.passes.single_pixel import linear_where_single_pixel
from cpcc.quantize import run_int8
from support import assert_equal, chain, compiled, detector_of, extreme_inputs


def network(kernel: tuple[int, int], pad: int, keep: float = 1.0) -> Graph:
    """A convolution of a 3x2 image, then two layers."""
    rng = np.random.default_rng(0)
    weight = (rng.normal(0, 1, (6, *kernel, 5)) * (rng.random((6, *kernel, 5)) < keep)).astype(np.float32)
    first = Conv2d(weight, rng.normal(0, 1, 6).astype(np.float32), (1, 1), (pad,) * 4, True)
    shape = conv2d.OP.infer_shape(first, (3, 2, 5))
    second = Conv2d(rng.normal(0, 1, (4, 1, 1, 6)).astype(np.float32), np.ones(4, np.float32), (1, 1), (0, 0, 0, 0))
    last = Linear(rng.normal(0, 1, (2, 4 * shape[0] * shape[1])).astype(np.float32), np.zeros(2, np.float32))
    return chain((3, 2, 5), [(conv2d.OP, first), (conv2d.OP, second), (linear.OP, last)])


@pytest.mark.parametrize("keep", [1.0, 0.2])
def test_same_values_everywhere(keep: float) -> None:
    rng = np.random.default_rng(1)
    detector = detector_of(network((3, 2), 0, keep), rng)
    graph = linear_where_single_pixel(detector.graph)
    assert [type(node.params) for node in graph.nodes].count(QLinear) == 3
    x = extreme_inputs(rng, (3, 2, 5), 20)
    np.testing.assert_array_equal(run_int8(graph, x), run_int8(detector.graph, x))
    c = compiled(replace(detector, graph=graph))
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))


@pytest.mark.parametrize(("kernel", "pad"), [((2, 2), 0), ((3, 2), 1)])
def test_windows_that_are_not_the_image_stay(kernel: tuple[int, int], pad: int) -> None:
    graph = detector_of(network(kernel, pad), np.random.default_rng(2)).graph
    assert linear_where_single_pixel(graph) is graph
