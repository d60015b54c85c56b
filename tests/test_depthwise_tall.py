"""The depthwise 3x3 convolution of narrow images: its corners, on the host and on the core."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.ops import depthwise_conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.depthwise_conv2d import tall as kernel
from cpcc.ops.float_params import DepthwiseConv2d
from support import chain, check_everywhere, compiled, detector_of, extreme_inputs

SAME, NONE = (1, 1, 1, 1), (0, 0, 0, 0)


def only(other: Kernel) -> bool:
    return other is kernel.KERNEL or other not in depthwise_conv2d.OP.kernels


@pytest.mark.parametrize(
    ("shape", "padding"),
    [
        ((25, 5, 8), SAME),  # an odd row, an odd column
        ((6, 4, 5), SAME),  # channels that fill no four
        ((29, 3, 4), SAME),  # as many rows as are held
        ((31, 2, 4), SAME),  # two parts, an odd row in the second
        ((4, 3, 4), NONE),  # one column, two rows
        ((5, 6, 4), NONE),
        ((3, 4, 4), (2, 1, 0, 2)),
    ],
)
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_shapes(shape: tuple[int, int, int], padding: tuple[int, int, int, int], compiler: str) -> None:
    rng = np.random.default_rng(sum(shape))
    weight, bias = rng.normal(0, 1, (3, 3, shape[2])), rng.normal(0, 0.1, shape[2])
    layer = DepthwiseConv2d(weight.astype(np.float32), bias.astype(np.float32), (1, 1), padding, bool(shape[0] % 2))
    c = compiled(detector_of(chain(shape, [(depthwise_conv2d.OP, layer)]), rng), policy=only)
    x = extreme_inputs(rng, shape)
    check_everywhere(c, x, compiler)


def test_a_single_row_is_refused() -> None:
    params = DepthwiseConv2d(np.ones((3, 3, 4), np.float32), np.zeros(4, np.float32), (1, 1), NONE)
    graph = detector_of(chain((3, 8, 4), [(depthwise_conv2d.OP, params)]), np.random.default_rng(0)).graph
    assert not kernel.applies(graph.nodes[0], graph)
