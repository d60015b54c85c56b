"""Two pixels in one word: the chunks that keep their sums apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import need_tool
from cpcc.ops import OPS, conv2d
from cpcc.ops.float_params import Conv2d
from cpcc.swar import STEPS, chunks
from cpcc.targets import TARGETS
from support import chain, compiled, detector_of, extreme_inputs


def extremes(weight: np.ndarray) -> tuple[int, int]:
    """Smallest and largest sum of a row of int8 `weight` (rows, k) over all int8 inputs."""
    w = weight.astype(np.int64)
    return int(np.minimum(127 * w, -128 * w).sum(axis=1).min()), int(np.maximum(127 * w, -128 * w).sum(axis=1).max())


@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.sampled_from([1, 4, 30, 127]))
def test_every_chunk_fits_a_halfword_and_is_the_longest(seed: int, k: int, largest: int) -> None:
    weight = np.random.default_rng(seed).integers(-largest - 1, largest + 1, (4, k)).astype(np.int8)
    lengths, start = chunks(weight), 0
    assert sum(lengths) == k and min(lengths) >= 1 and max(lengths) <= STEPS + 1
    for length in lengths:
        low, high = extremes(weight[:, start : start + length])
        assert low >= -(2**15) and high < 2**15
        low, high = extremes(weight[:, start : start + length + 1])
        assert length == STEPS + 1 or start + length == k or low < -(2**15) or high >= 2**15
        start += length


@pytest.mark.parametrize(
    ("value", "k", "lengths"), [(-128, 3, [1, 1, 1]), (-127, 3, [2, 1]), (127, 4, [2, 2]), (0, 18, [17, 1])]
)
def test_chunks_at_the_edge(value: int, k: int, lengths: list[int]) -> None:
    """Two products of -128 by -128 are one too many; zeros fill the unrolled steps."""
    assert chunks(np.full((4, k), value, np.int8)) == lengths


def test_no_core_without_simd_falls_back_to_portable_loops() -> None:
    """The Cortex-M3 takes these kernels for dense layers."""
    rng = np.random.default_rng(0)
    conv = Conv2d(rng.normal(0, 1, (8, 3, 3, 4)).astype(np.float32), np.zeros(8, np.float32), (1, 1), (1, 1, 1, 1))
    c = compiled(detector_of(chain((9, 7, 4), [(conv2d.OP, conv)]), rng), TARGETS["cortex-m3"])
    assert [step.kernel.name for step in c.plan.steps] == ["conv2d_swar"]
    assert {kernel.name for op in OPS for kernel in op.kernels if "armv7m" in kernel.requires} == {
        "conv2d_swar", "depthwise_twin", "linear_rows8"
    }  # fmt: skip


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
def test_the_count_does_not_depend_on_the_data(compiler: str) -> None:
    if compiler == "gcc":
        need_tool("arm-none-eabi-gcc")
    rng = np.random.default_rng(3)
    conv = Conv2d(rng.normal(0, 1, (6, 3, 3, 3)).astype(np.float32), np.zeros(6, np.float32), (1, 1), (1, 1, 1, 1))
    c = compiled(detector_of(chain((5, 6, 3), [(conv2d.OP, conv)]), rng), TARGETS["cortex-m3"])
    executor = c.arm(compiler)
    x = extreme_inputs(rng, (5, 6, 3), 5)
    assert len({executor.measure(sample[None]).layer_instructions for sample in x}) == 1  # type: ignore[union-attr]
