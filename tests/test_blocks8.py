"""The convolution of 1x4 blocks: its corners, on the host and on the core, and what a nonzero weight takes."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.formats.blocks8 import entries
from cpcc.ops import conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.conv2d import blocks8 as kernel
from cpcc.ops.float_params import Conv2d
from support import Compiled, assert_equal, chain, compiled, detector_of, extreme_inputs


def only(other: Kernel) -> bool:
    return other is kernel.KERNEL or other not in conv2d.OP.kernels


def of(weight: np.ndarray, shape: tuple[int, ...], stride: tuple[int, int] = (1, 1), pad: int = 0) -> Compiled:
    rng = np.random.default_rng(0)
    bias = rng.normal(0, 0.1, len(weight)).astype(np.float32)
    conv = Conv2d(weight.astype(np.float32), bias, stride, (pad,) * 4, True)
    return compiled(detector_of(chain(shape, [(conv2d.OP, conv)]), rng), policy=only)


def check(c: Compiled, compiler: str = "zig") -> None:
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm(compiler).run(x, quantized=True, nodes=True))


def blocks(shape: tuple[int, ...], keep: float) -> np.ndarray:
    rng = np.random.default_rng(int(np.prod(shape)))
    return rng.normal(0, 1, shape) * (rng.random((*shape[:-1], shape[-1] // 4)) < keep).repeat(4, axis=-1)


@pytest.mark.parametrize(
    ("shape", "kernel_size", "stride", "pad"),
    [
        ((17, 5, 8), (3, 2), (2, 1), 1),  # narrow and tall: rows and columns change places
        ((4, 5, 12), (2, 3), (1, 2), 2),  # narrower than a tile either way
        ((3, 21, 4), (3, 5), (1, 3), 2),
        ((5, 9, 16), (1, 1), (1, 1), 0),
    ],
)
def test_shapes(shape: tuple[int, int, int], kernel_size: tuple[int, int], stride: tuple[int, int], pad: int) -> None:
    check(of(blocks((5, *kernel_size, shape[2]), 0.4), shape, stride, pad))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 17])
def test_rows_of_every_length(count: int) -> None:
    """Around the eight unrolled blocks; full blocks, one with a single weight, and a row without any."""
    weight = np.zeros((3, 1, 1, 72))
    weight[0, 0, 0, : 4 * count], weight[1, 0, 0, 5] = 1, -1
    check(of(weight, (1, 8, 72)), "gcc" if count % 2 else "zig")


def test_sums_beyond_23_bits() -> None:
    """No limit on a row's sum, unlike the kernel of single weights: all weights and inputs at their extremes."""
    weight = np.ones((2, 3, 3, 64)) * np.array([1, -1])[:, None, None, None]
    check(of(weight, (3, 9, 64), pad=1))


def test_wide_gaps_are_bridged() -> None:
    row = np.zeros(4 * 3, np.int8)
    row[0], row[5], row[11] = 1, 2, -3
    found = entries(row, np.array([0, 256, 1000]))
    assert [entry[0] for entry in found] == [0, 255, 1, 255, 255, 234]
    assert [sum(bytes(entry[1:])) % 256 for entry in found] == [1, 0, 2, 0, 0, 253]


def test_channels_that_fill_no_block_are_refused() -> None:
    rng = np.random.default_rng(0)
    conv = Conv2d(rng.normal(0, 1, (2, 1, 1, 6)).astype(np.float32), np.zeros(2, np.float32), (1, 1), (0, 0, 0, 0))
    graph = detector_of(chain((4, 4, 6), [(conv2d.OP, conv)]), rng).graph
    assert not kernel.applies(graph.nodes[0], graph)


def test_bytes_per_nonzero() -> None:
    """At 90 % zeros: five bytes a block, and ten for each row's bias, jumps and multiplier."""
    c = of(blocks((32, 3, 3, 32), 0.1), (8, 8, 32), pad=1)
    stream = c.plan.steps[0].packed.struct["stream"]
    assert isinstance(stream, np.ndarray)
    nonzero = np.count_nonzero(c.plan.steps[0].node.params.weight)
    assert stream.nbytes - 32 * (4 + 2 + 2 + 4) - 8 <= 1.3 * nonzero
