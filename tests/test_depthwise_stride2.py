"""The depthwise 3x3 convolution at stride 2: its corners, on the host and on the core."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.ops import depthwise_conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.depthwise_conv2d import stride2 as kernel
from cpcc.ops.float_params import DepthwiseConv2d
from support import chain, check_everywhere, compiled, detector_of, extreme_inputs

SAME, TFLITE_SAME, NONE = (1, 1, 1, 1), (0, 1, 0, 1), (0, 0, 0, 0)


def only(other: Kernel) -> bool:
    return other is kernel.KERNEL or other not in depthwise_conv2d.OP.kernels


@pytest.mark.parametrize(
    ("shape", "padding"),
    [
        ((12, 12, 8), TFLITE_SAME),  # four outputs and two, columns of the image in whole pairs
        ((12, 18, 5), SAME),  # two fours and one; channels that fill no four; the first pair of columns half padding
        ((9, 9, 4), SAME),  # one four and one
        ((7, 17, 4), NONE),  # the last pair of columns half padding
        ((4, 8, 4), NONE),  # a row and a column that no window meets
        ((3, 3, 4), NONE),  # one output
        ((1, 1, 4), SAME),  # one pixel
        ((5, 6, 4), (2, 1, 3, 2)),  # pairs of columns and of rows that are padding alone
    ],
)
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_shapes(shape: tuple[int, int, int], padding: tuple[int, int, int, int], compiler: str) -> None:
    rng = np.random.default_rng(sum(shape))
    weight, bias = rng.normal(0, 1, (3, 3, shape[2])), rng.normal(0, 0.1, shape[2])
    layer = DepthwiseConv2d(weight.astype(np.float32), bias.astype(np.float32), (2, 2), padding, bool(shape[0] % 2))
    c = compiled(detector_of(chain(shape, [(depthwise_conv2d.OP, layer)]), rng), policy=only)
    x = extreme_inputs(rng, shape)
    check_everywhere(c, x, compiler)


def test_other_strides_are_refused() -> None:
    params = DepthwiseConv2d(np.ones((3, 3, 4), np.float32), np.zeros(4, np.float32), (2, 1), NONE)
    graph = detector_of(chain((8, 8, 4), [(depthwise_conv2d.OP, params)]), np.random.default_rng(0)).graph
    assert not kernel.applies(graph.nodes[0], graph)
