"""The depthwise convolution along one axis: its corners, on the host and on the core."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.formats.depthwise import channel_constants, column_steps, steps_stream
from cpcc.formats.rounding import ONCE, Rounding
from cpcc.ops import depthwise_conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.depthwise_conv2d import column as kernel
from cpcc.ops.float_params import DepthwiseConv2d
from support import chain, check_everywhere, compiled, detector_of, extreme_inputs

NONE = (0, 0, 0, 0)


def only(other: Kernel) -> bool:
    return other is kernel.KERNEL or other not in depthwise_conv2d.OP.kernels


def layer(shape: tuple[int, int, int], size: tuple[int, int], padding: tuple[int, ...] = NONE) -> DepthwiseConv2d:
    rng = np.random.default_rng(sum(shape) + sum(size))
    weight, bias = rng.normal(0, 1, (*size, shape[2])), rng.normal(0, 0.1, shape[2])
    return DepthwiseConv2d(weight.astype(np.float32), bias.astype(np.float32), (1, 1), padding, bool(shape[0] % 2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "size", "padding"),
    [
        ((12, 1, 8), (10, 1), NONE),  # three outputs: a tail alone
        ((13, 1, 8), (10, 1), NONE),  # four: no tail
        ((14, 2, 5), (10, 1), NONE),  # two lines; channels that fill no four
        ((9, 1, 4), (2, 1), NONE),
        ((33, 1, 4), (31, 1), NONE),  # as many taps as there may be
        ((7, 1, 4), (7, 1), NONE),  # one output
        ((8, 3, 8), (3, 1), (1, 1, 0, 0)),
        ((6, 1, 8), (5, 1), (3, 4, 0, 0)),
        ((1, 11, 12), (1, 4), (0, 0, 2, 1)),  # a series
        ((3, 6, 4), (1, 3), (0, 0, 0, 2)),
    ],
)
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_shapes(
    shape: tuple[int, int, int], size: tuple[int, int], padding: tuple[int, int, int, int], compiler: str
) -> None:
    rng = np.random.default_rng(0)
    c = compiled(detector_of(chain(shape, [(depthwise_conv2d.OP, layer(shape, size, padding))]), rng), policy=only)
    x = extreme_inputs(rng, shape)
    check_everywhere(c, x, compiler)


def test_stream() -> None:
    """Words of weights under the even and the odd outputs, low halfwords first."""
    rounding = Rounding(ONCE, np.arange(4, dtype=np.int32), np.full((4, 1), 77, np.int32))
    assert channel_constants(rounding).tolist() == [0, 77, 1, 77, 2, 77, 3, 77]
    first = steps_stream(np.arange(1, 21).reshape(4, 5))[:6]
    assert column_steps(5) == 3
    assert first.view(np.int16).reshape(3, 2, 2).tolist() == [
        [[1, 2], [0, 1]],
        [[3, 4], [2, 3]],
        [[5, 0], [4, 5]],
    ]


@pytest.mark.parametrize(
    ("shape", "size", "stride", "padding"),
    [((8, 8, 3), (3, 1), (1, 1), NONE), ((8, 8, 4), (3, 3), (1, 1), NONE), ((8, 8, 4), (3, 1), (2, 1), NONE),
     ((8, 8, 4), (3, 1), (1, 1), (0, 0, 1, 0)), ((40, 1, 4), (32, 1), (1, 1), NONE), ((8, 8, 4), (1, 1), (1, 1), NONE)],
)  # fmt: skip
def test_what_it_does_not_take(
    shape: tuple[int, int, int], size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int]
) -> None:
    weight, bias = np.ones((*size, shape[2]), np.float32), np.zeros(shape[2], np.float32)
    params = DepthwiseConv2d(weight, bias, stride, padding)
    graph = detector_of(chain(shape, [(depthwise_conv2d.OP, params)]), np.random.default_rng(0)).graph
    assert not kernel.applies(graph.nodes[0], graph)
