"""The convolution of ternary weights: its corners, on the host and on the core, and what a nonzero weight takes."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.formats.signs8 import level, signs
from cpcc.ops import conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.conv2d import signs8 as kernel
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


def ternary(shape: tuple[int, ...], keep: float) -> np.ndarray:
    """Each row with a level of its own."""
    rng = np.random.default_rng(int(np.prod(shape)))
    levels = rng.uniform(0.2, 1, (shape[0], *[1] * (len(shape) - 1)))
    return levels * rng.choice([-1, 1], shape) * (rng.random(shape) < keep)


@pytest.mark.parametrize(
    ("shape", "kernel_size", "stride", "pad"),
    [
        ((17, 5, 6), (3, 2), (2, 1), 1),  # narrow and tall: rows and columns change places
        ((4, 5, 9), (2, 3), (1, 2), 2),  # narrower than a tile either way
        ((3, 21, 1), (3, 5), (1, 3), 2),
        ((5, 9, 12), (1, 1), (1, 1), 0),
    ],
)
def test_shapes(shape: tuple[int, int, int], kernel_size: tuple[int, int], stride: tuple[int, int], pad: int) -> None:
    check(of(ternary((5, *kernel_size, shape[2]), 0.4), shape, stride, pad))


@pytest.mark.parametrize(("added", "subtracted"), [(0, 0), (1, 0), (0, 1), (33, 0), (34, 32), (1, 33), (0, 66)])
def test_rows_of_every_length(added: int, subtracted: int) -> None:
    """Around the 32 unrolled inputs; a row of one sign, whichever; a row without any."""
    weight = np.zeros((3, 1, 1, 72))
    weight[0, 0, 0, :added], weight[0, 0, 0, 72 - subtracted :], weight[1, 0, 0, 5] = 1, -1, -1
    check(of(weight, (1, 8, 72)), "gcc" if added % 2 else "zig")


def test_wide_gaps() -> None:
    """More than 255 words from one input to the next, of both signs and before the first."""
    weight = np.zeros((4, 1, 1, 200))
    weight[0, 0, 0, [70, 199]], weight[1, 0, 0, [0, 64]], weight[1, 0, 0, [65, 199]] = 1, 1, -1
    weight[2, 0, 0, [199]], weight[3, 0, 0, [0, 63, 127]] = -1, -1
    check(of(weight, (1, 9, 200)))


def test_as_many_weights_as_16_bits_hold() -> None:
    """255 of one sign: sums reach -32640; one more is refused."""
    for count, possible in ((255, True), (256, False)):
        weight = np.ones((2, 1, 1, count)) * np.array([1, -1])[:, None, None, None]
        conv = Conv2d(weight.astype(np.float32), np.zeros(2, np.float32), (1, 1), (0, 0, 0, 0))
        graph = detector_of(chain((1, 8, count), [(conv2d.OP, conv)]), np.random.default_rng(0)).graph
        assert kernel.applies(graph.nodes[0], graph) is possible
        if possible:
            check(of(weight, (1, 8, count)))


def test_levels() -> None:
    assert level(np.array([0, 3, -3], np.int8)) == 3
    assert level(np.array([0, 3, -4], np.int8)) is None
    assert level(np.zeros(3, np.int8)) is None
    size, added, subtracted = signs(np.array([0, -5, 0, -5], np.int8), np.arange(4))
    assert (size, added.tolist(), subtracted.tolist()) == (-5, [1, 3], [])


def test_bytes_per_nonzero() -> None:
    """At 90 % zeros: a byte each, and up to 32 for each row's first input, jumps, rounding and bias."""
    c = of(ternary((32, 3, 3, 32), 0.1), (8, 8, 32), pad=1)
    stream = c.plan.steps[0].packed.struct["stream"]
    assert isinstance(stream, np.ndarray)
    nonzero = np.count_nonzero(c.plan.steps[0].node.params.weight)
    assert stream.nbytes - 32 * (2 + 3 * 2 + 16) - 4 <= 1.3 * nonzero
