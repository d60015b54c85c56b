"""Two pixels in one word: the chunks that keep their sums apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import need_tool
from cpcc.formats.swar import FOUR, TWO, Tile, chunks, group_chunks
from cpcc.ops import conv2d, depthwise_conv2d, linear
from cpcc.ops.float_params import Conv2d, DepthwiseConv2d, Linear
from cpcc.targets import TARGETS
from support import chain, compiled, detector_of, extreme_inputs


def extremes(weight: np.ndarray) -> tuple[int, int]:
    """Smallest and largest sum of a row of int8 `weight` (rows, k) over all int8 inputs."""
    w = weight.astype(np.int64)
    return int(np.minimum(127 * w, -128 * w).sum(axis=1).min()), int(np.maximum(127 * w, -128 * w).sum(axis=1).max())


@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.sampled_from([1, 4, 30, 127]), st.sampled_from([FOUR, TWO]))
def test_every_chunk_fits_a_halfword_and_is_the_longest(seed: int, k: int, largest: int, tile: Tile) -> None:
    weight = np.random.default_rng(seed).integers(-largest - 1, largest + 1, (tile.group, k)).astype(np.int8)
    (lengths,), start = group_chunks(weight, tile), 0
    assert sum(lengths) == k and min(lengths) >= 1 and max(lengths) <= tile.longest
    for length in lengths:
        low, high = extremes(weight[:, start : start + length])
        assert low >= -(2**15) and high < 2**15
        low, high = extremes(weight[:, start : start + length + 1])
        assert length == tile.longest or start + length == k or low < -(2**15) or high >= 2**15
        start += length


@pytest.mark.parametrize(
    ("value", "k", "lengths"), [(-128, 3, [1, 1, 1]), (-127, 3, [2, 1]), (127, 4, [2, 2]), (0, 18, [17, 1])]
)
def test_chunks_at_the_edge(value: int, k: int, lengths: list[int]) -> None:
    """Two products of -128 by -128 are one too many; zeros fill the unrolled steps."""
    assert chunks(np.full((4, k), value, np.int8)) == lengths


@pytest.mark.parametrize(("target", "kernel"), [("cortex-m3", "conv2d_swar"), ("cortex-m0plus", "conv2d_swar2")])
def test_no_core_without_simd_falls_back_to_portable_loops(target: str, kernel: str) -> None:
    rng = np.random.default_rng(0)
    conv = Conv2d(rng.normal(0, 1, (8, 3, 3, 4)).astype(np.float32), np.zeros(8, np.float32), (1, 1), (1, 1, 1, 1))
    c = compiled(detector_of(chain((9, 7, 4), [(conv2d.OP, conv)]), rng), TARGETS[target])
    assert [step.kernel.name for step in c.plan.steps] == [kernel]


@pytest.mark.parametrize("target", ["cortex-m3", "cortex-m0plus"])
@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_the_count_does_not_depend_on_the_data(compiler: str, target: str) -> None:
    if compiler == "gcc":
        need_tool("arm-none-eabi-gcc")
    rng = np.random.default_rng(3)
    conv = Conv2d(rng.normal(0, 1, (6, 3, 3, 3)).astype(np.float32), np.zeros(6, np.float32), (1, 1), (1, 1, 1, 1))
    depthwise = DepthwiseConv2d(
        rng.normal(0, 1, (3, 3, 6)).astype(np.float32), np.zeros(6, np.float32), (2, 1), (0,) * 4
    )
    fc = Linear(rng.normal(0, 1, (16, 48)).astype(np.float32), np.zeros(16, np.float32))
    layers = [(conv2d.OP, conv), (depthwise_conv2d.OP, depthwise), (linear.OP, fc)]
    c = compiled(detector_of(chain((5, 6, 3), layers), rng), TARGETS[target])
    assert {"depthwise_twin", "linear_rows8"} <= {step.kernel.name for step in c.plan.steps}
    executor = c.arm(compiler)
    x = extreme_inputs(rng, (5, 6, 3), 5)
    assert len({executor.measure(sample[None]).layer_instructions for sample in x}) == 1  # type: ignore[union-attr]
