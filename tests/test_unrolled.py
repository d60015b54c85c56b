"""Programs of sparse fully connected layers: what they compute, what they take, and their corners."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.executors.elf import read_image
from cpcc.ops import linear
from cpcc.ops.base import Kernel
from cpcc.ops.float_params import Linear
from cpcc.ops.linear import unrolled
from cpcc.stack import library_stack
from support import NAME, Compiled, assert_equal, chain, compiled, detector_of, extreme_inputs


def only(kernel: Kernel) -> bool:
    return kernel is unrolled.KERNEL or kernel not in linear.OP.kernels


def of(weight: np.ndarray, relu: bool = False) -> Compiled:
    rng = np.random.default_rng(0)
    params = Linear(weight.astype(np.float32), rng.normal(0, 1, len(weight)).astype(np.float32), relu)
    return compiled(detector_of(chain((weight.shape[1],), [(linear.OP, params)]), rng), policy=only)


def check(c: Compiled) -> None:
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))


def sparse(rows: int, columns: int, keep: float) -> np.ndarray:
    rng = np.random.default_rng(rows * columns)
    return rng.normal(0, 1, (rows, columns)) * (rng.random((rows, columns)) < keep)


@pytest.mark.parametrize("columns", [1, 4, 5, 255, 256, 257, 2048])
def test_widths(columns: int) -> None:
    """One row over a group of five; at 2048 inputs single loads reach no farther."""
    for keep in (0.0, 0.005, 0.15):
        check(of(sparse(6, columns, keep)))


def test_extremes_in_one_word() -> None:
    """Weights of -127 and 127 whose doubles fill a halfword, both halves of a word, first and last column."""
    weight = np.zeros((11, 64))
    weight[::2, 0], weight[::3, 1], weight[::2, 62:] = -1, 1, (1, -1)
    check(of(weight, relu=True))


def test_size_is_what_the_machine_code_takes() -> None:
    """The planner's figure for flash against the symbol's size."""
    for keep in (0.01, 0.1):
        c = of(sparse(23, 600, keep))
        code = unrolled.layer_program(c.plan.steps[0].node).nbytes
        for compiler in ("zig", "gcc"):
            symbols = read_image(c.arm_image(compiler)).symbols
            assert [s.size for name, s in symbols.items() if name.endswith("_program")] == [code]


def test_too_wide_or_too_dense_is_refused() -> None:
    for weight in (sparse(2, 2049, 0.01), sparse(4, 64, 1.0)):
        detector = of(sparse(2, 8, 0.1)).detector
        assert unrolled.applies(detector.graph.nodes[0], detector.graph)
        params = Linear(weight.astype(np.float32), np.zeros(len(weight), np.float32))
        graph = detector_of(chain((weight.shape[1],), [(linear.OP, params)]), np.random.default_rng(0)).graph
        assert not unrolled.applies(graph.nodes[0], graph)


def test_the_program_is_called_directly() -> None:
    for compiler in ("zig", "gcc"):
        assert library_stack(of(sparse(7, 40, 0.2)).arm_image(compiler), NAME).path[-1].endswith("_program")
