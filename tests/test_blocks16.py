"""The Helium convolution of 1x16 blocks: its corners, on the host and on the core, and what a nonzero weight takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conftest import need_tool
from cpcc.emit import emit_library
from cpcc.formats.blocks16 import entries
from cpcc.ops import conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.conv2d import mve_blocks as kernel
from cpcc.ops.float_params import Conv2d
from cpcc.plan.plan import make_plan
from cpcc.targets import TARGETS
from support import NAME, Compiled, assert_equal, chain, compiled, detector_of, extreme_inputs

M55 = TARGETS["cortex-m55"]


def only(other: Kernel) -> bool:
    return other is kernel.KERNEL or other not in conv2d.OP.kernels


def of(weight: np.ndarray, shape: tuple[int, ...], stride: tuple[int, int] = (1, 1), pad: int = 0) -> Compiled:
    rng = np.random.default_rng(0)
    bias = rng.normal(0, 0.1, len(weight)).astype(np.float32)
    conv = Conv2d(weight.astype(np.float32), bias, stride, (pad,) * 4, True)
    return compiled(detector_of(chain(shape, [(conv2d.OP, conv)]), rng), M55, policy=only)


def check(c: Compiled, compiler: str = "zig") -> None:
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    need_tool("qemu-system-arm")
    assert_equal(expected, c.arm(compiler).run(x, quantized=True, nodes=True))


def blocks(shape: tuple[int, ...], keep: float) -> np.ndarray:
    rng = np.random.default_rng(int(np.prod(shape)))
    flat = rng.normal(0, 1, shape).reshape(-1, 16) * (rng.random(int(np.prod(shape)) // 16) < keep)[:, None]
    return flat.reshape(shape)


@pytest.mark.parametrize(
    ("shape", "kernel_size", "stride", "pad"),
    [
        ((7, 5, 16), (3, 2), (2, 1), 1),  # tiles that end in the middle of a row
        ((5, 7, 8), (2, 2), (1, 1), 0),  # a block lies over two taps
        ((2, 3, 32), (1, 1), (1, 1), 0),  # fewer pixels than a tile
        ((3, 3, 16), (3, 3), (1, 1), 0),  # one pixel
        ((8, 8, 48), (1, 1), (2, 2), 0),
    ],
)
def test_shapes(shape: tuple[int, int, int], kernel_size: tuple[int, int], stride: tuple[int, int], pad: int) -> None:
    check(of(blocks((5, *kernel_size, shape[2]), 0.4), shape, stride, pad))


def test_the_last_tile_writes_nothing_behind_its_image() -> None:
    """Six pixels of eight, with the output at the very end of the arena, where the host's sanitizer watches."""
    c = of(blocks((8, 1, 1, 32), 0.4), (2, 3, 32))
    output = {node.output for node in c.detector.graph.nodes}
    places, end = {}, 0
    for name in ["x", *(name for name in c.plan.arena.offsets if name.startswith("scratch:"))]:
        places[name], end = end, end + 4096
    size = end + 6 * 8
    plan = replace(c.plan, arena=replace(c.plan.arena, offsets=places | dict.fromkeys(output, end), size=size))
    own = Compiled(plan, c.detector, emit_library(plan, c.detector, NAME))
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    assert_equal(own.reference().run(x, quantized=True), own.host().run(x, quantized=True))


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 10, 17, 18])
def test_rows_of_every_length(count: int) -> None:
    """Around the first block and the eight unrolled ones; a block with a single weight, and a row without any."""
    weight = np.zeros((3, 1, 1, 16 * 18))
    weight[0, 0, 0, : 16 * count], weight[1, 0, 0, 21] = 1, -1
    check(of(weight, (3, 3, 16 * 18)), "gcc" if count % 2 else "zig")


def test_sums_at_their_extremes() -> None:
    weight = np.ones((2, 3, 3, 64)) * np.array([1, -1])[:, None, None, None]
    check(of(weight, (3, 4, 64), pad=1))


@pytest.mark.parametrize(("keep", "chosen"), [(0.25, "conv2d_mve_blocks"), (1.0, "conv2d_mve")])
def test_the_planner_takes_it_where_blocks_are_zero(keep: float, chosen: str) -> None:
    conv = Conv2d(blocks((16, 3, 3, 16), keep).astype(np.float32), np.zeros(16, np.float32), (1, 1), (1,) * 4)
    detector = detector_of(chain((8, 8, 16), [(conv2d.OP, conv)]), np.random.default_rng(0))
    assert make_plan(detector.graph, M55).steps[0].kernel.name == chosen


def test_wide_gaps_are_bridged() -> None:
    row = np.zeros(16 * 600, np.int8)
    row[16 * 0 + 3], row[16 * 256], row[16 * 511 + 15] = 1, 2, -3
    found = entries(row)
    assert [entry[0] for entry in found] == [0, 255, 1, 255]
    assert [sum(entry[1:]) % 256 for entry in found] == [1, 0, 2, 253]
    weight = np.zeros((1, 3, 3, 512))
    weight[0, 0, 0, 0], weight[0, 2, 2, 511] = 1, -1
    check(of(weight, (3, 3, 512)))


def test_rows_of_a_window_that_fill_no_vectors_are_refused() -> None:
    rng = np.random.default_rng(0)
    conv = Conv2d(rng.normal(0, 1, (2, 1, 1, 24)).astype(np.float32), np.zeros(2, np.float32), (1, 1), (0, 0, 0, 0))
    graph = detector_of(chain((4, 4, 24), [(conv2d.OP, conv)]), rng).graph
    assert not kernel.applies(graph.nodes[0], graph)


def test_bytes_per_nonzero() -> None:
    """Seventeen bytes a block, and six for a row's jumps; its bias and multiplier lie apart."""
    c = of(blocks((32, 3, 3, 32), 0.25), (8, 8, 32), pad=1)
    stream = c.plan.steps[0].packed.struct["stream"]
    assert isinstance(stream, np.ndarray)
    nonzero = np.count_nonzero(c.plan.steps[0].node.params.weight)
    assert stream.nbytes - 32 * 6 - 2 <= 1.08 * nonzero
