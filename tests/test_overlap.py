"""Layers that write over their own input, at the least distance that the planner is told."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import need_tool
from cpcc.graph import Int8
from cpcc.ops import OPS, op_of
from cpcc.ops.avg_pool2d import adaptive_spans
from cpcc.ops.base import Kernel
from cpcc.ops.float_params import AvgPool2d, Conv2d, DepthwiseConv2d, Linear, MaxPool2d
from cpcc.plan.lags import lags
from cpcc.plan.plan import needs_of
from cpcc.targets import TARGETS
from support import assert_equal, chain, compiled, detector_of, extreme_inputs, target_for

NONE, SAME = (0, 0, 0, 0), (1, 1, 1, 1)


def conv(out: int, kernel: int, channels: int, stride: int = 1, padding: tuple[int, int, int, int] = NONE,
         keep: float = 1.0) -> Conv2d:  # fmt: skip
    rng = np.random.default_rng(out)
    weight = rng.normal(0, 1, (out, kernel, kernel, channels)) * (rng.random((out, kernel, kernel, channels)) < keep)
    return Conv2d(weight.astype(np.float32), np.zeros(out, np.float32), (stride, stride), padding)


def depthwise(channels: int, stride: int, padding: tuple[int, int, int, int], keep: float = 1.0) -> DepthwiseConv2d:
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (3, 3, channels)) * (rng.random((3, 3, channels)) < keep)
    return DepthwiseConv2d(weight.astype(np.float32), np.zeros(channels, np.float32), (stride, stride), padding)


def column(
    channels: int, size: tuple[int, int], padding: tuple[int, int, int, int] = NONE, keep: float = 1.0
) -> DepthwiseConv2d:
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 1, (*size, channels)) * (rng.random((*size, channels)) < keep)
    return DepthwiseConv2d(weight.astype(np.float32), np.zeros(channels, np.float32), (1, 1), padding)


def fully_connected(out: int, inputs: int) -> Linear:
    weight = np.random.default_rng(0).normal(0, 1, (out, inputs)).astype(np.float32)
    return Linear(weight, np.zeros(out, np.float32))


def average(h: int, w: int) -> AvgPool2d:
    rows, cols = adaptive_spans(h, 2), adaptive_spans(w, 3)
    return AvgPool2d(rows, cols, tuple(tuple((b - a) * (d - c) for c, d in cols) for a, b in rows))


CASES = (
    ("conv2d_paired", (5, 6, 8), conv(16, 1, 8)),  # the output is the larger: it must begin well before
    ("conv2d_paired", (5, 5, 16), conv(8, 1, 16)),
    ("conv2d_paired", (6, 6, 8), conv(8, 3, 8, 1, SAME)),
    ("conv2d_paired", (7, 5, 8), conv(12, 3, 8, 1, SAME)),  # rows of odd width, two at a time
    ("conv2d_paired", (9, 9, 4), conv(16, 3, 4, 2, (0, 1, 0, 1))),
    ("conv2d_paired", (8, 8, 4), conv(8, 3, 4)),
    ("conv2d_dense", (5, 9, 3), conv(5, 2, 3)),
    ("conv2d_dense", (5, 6, 3), conv(9, 3, 3, 1, SAME)),
    ("conv2d_sparse", (5, 9, 3), conv(5, 2, 3, 1, NONE, 0.3)),
    ("conv2d_sparse", (5, 6, 8), conv(16, 1, 8, 1, NONE, 0.3)),  # 30 pixels of one row
    ("conv2d_sparse", (6, 6, 3), conv(9, 3, 3, 1, SAME, 0.3)),
    ("conv2d_blocks", (5, 6, 8), conv(16, 1, 8, 1, NONE, 0.3)),
    ("conv2d_sparse8", (4, 5, 8), conv(12, 1, 8, 1, NONE, 0.3)),  # 20 pixels: the last tile computes four again
    ("conv2d_sparse8", (9, 6, 4), conv(8, 3, 4, 1, SAME, 0.3)),
    ("conv2d_blocks8", (4, 5, 8), conv(12, 1, 8, 1, NONE, 0.3)),
    ("conv2d_blocks8", (9, 6, 4), conv(8, 3, 4, 1, SAME, 0.3)),
    ("depthwise_paired", (7, 6, 8), depthwise(8, 1, SAME)),
    ("depthwise_paired", (6, 33, 4), depthwise(4, 1, SAME)),  # one strip held: two take turns
    ("depthwise_tall", (7, 5, 8), depthwise(8, 1, SAME)),
    ("depthwise_quad", (9, 9, 8), depthwise(8, 2, (1, 0, 1, 0))),
    ("depthwise_quad", (9, 6, 6), depthwise(6, 1, NONE)),
    ("depthwise_3x3", (9, 9, 8), depthwise(8, 2, (1, 0, 1, 0))),
    ("depthwise_3x3", (9, 6, 6), depthwise(6, 1, NONE)),
    ("depthwise_column", (13, 2, 8), column(8, (5, 1))),
    ("depthwise_column", (3, 9, 4), column(4, (1, 4))),  # lines that move together
    ("depthwise_column", (9, 1, 12), column(12, (4, 1), (2, 1, 0, 0))),
    ("depthwise_conv2d", (6, 6, 3), depthwise(3, 1, NONE)),
    ("depthwise_unrolled", (9, 6, 6), depthwise(6, 1, NONE, 0.4)),
    ("depthwise_unrolled", (9, 9, 8), depthwise(8, 2, NONE, 0.4)),
    ("depthwise_unrolled", (9, 7, 8), depthwise(8, 1, SAME, 0.4)),
    ("depthwise_unrolled", (9, 1, 12), column(12, (4, 1), NONE, 0.6)),
    ("depthwise_unrolled", (9, 1, 12), column(12, (4, 1), (2, 1, 0, 0), 0.6)),
    ("conv2d_mve", (5, 6, 16), conv(24, 1, 16)),  # read where it lies
    ("conv2d_mve", (6, 5, 8), conv(16, 3, 8)),  # an odd width, patches copied
    ("conv2d_mve", (6, 7, 8), conv(16, 3, 8, 1, SAME)),
    ("conv2d_mve_blocks", (5, 6, 16), conv(24, 1, 16)),
    ("conv2d_mve_blocks", (7, 6, 16), conv(16, 3, 16, 1, SAME)),
    ("max_pool2d", (6, 6, 4), MaxPool2d((3, 3), (1, 1), SAME, (6, 6))),
    ("max_pool2d_quad", (6, 6, 8), MaxPool2d((3, 3), (1, 1), SAME, (6, 6))),
    ("max_pool2d_quad", (6, 6, 7), MaxPool2d((2, 2), (2, 2), (0, 0, 0, 0), (3, 3))),
    ("avg_pool2d", (5, 6, 3), average(5, 6)),
    ("avg_pool2d_quad", (5, 6, 4), average(5, 6)),
    ("linear_paired", (50,), fully_connected(14, 50)),
    ("linear_narrow", (50,), fully_connected(14, 50)),
)  # fmt: skip


@pytest.mark.parametrize(("name", "shape", "params"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_a_layer_over_its_input(name: str, shape: tuple[int, ...], params: object) -> None:
    rng = np.random.default_rng(3)
    op = next(op for op in OPS if isinstance(params, op.float_params))
    detector = detector_of(chain(shape, [(op, params)]), rng)
    first = detector.graph.nodes[0]

    def only(kernel: Kernel) -> bool:
        return kernel.name == name or kernel not in op_of(first, Int8).kernels

    target = target_for(next(kernel for kernel in op_of(first, Int8).kernels if kernel.name == name))
    if target == "cortex-m55":
        need_tool("qemu-system-arm")
    c = compiled(detector, TARGETS[target], only)
    offsets = c.plan.arena.offsets
    found = lags(c.plan.graph, needs_of(c.plan.steps), c.plan.buffers)
    if c.plan.steps[0].overlap.in_place:
        assert offsets[first.output] == offsets[first.inputs[0]]
    else:
        assert any(0 <= offsets[lag.behind] - offsets[lag.ahead] - lag.distance < 8 for lag in found), (
            "nothing overlaps"
        )
    x = extreme_inputs(rng, shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))
