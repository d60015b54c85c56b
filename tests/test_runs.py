"""The sparse convolutions in portable C: what is packed, every corner of the kernels on each kind of core, and what a weight takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpcc.code_size import kernel_code
from cpcc.formats import runs
from cpcc.ops import conv2d
from cpcc.ops.base import Kernel
from cpcc.ops.float_params import Conv2d
from cpcc.plan.objective import Objective
from cpcc.plan.select import select_kernels
from cpcc.targets import TARGETS
from support import Compiled, assert_equal, chain, compiled, detector_of, extreme_inputs

INFINITY = float("inf")
KERNELS = ("conv2d_sparse", "conv2d_few", "conv2d_blocks")
CORES = ("stm32", "cortex-m0plus")


@given(st.lists(st.sampled_from([0, 1, 2, 254, 255, 256, 510, 511]), min_size=1, max_size=4), st.integers(1, 5))
def test_counts_give_the_entries_back(counts: list[int], size: int) -> None:
    """Around a count's largest value: rows of 255 entries are followed by a count of what is left, 0 too."""
    rows = [[bytes(i % 251 for _ in range(size)) for i in range(count)] for count in counts]
    data = np.frombuffer(b"".join(map(runs.run, rows)), np.uint8)
    assert runs.unpack(data, len(rows), size) == rows
    assert len(data) == sum(1 + count // 255 + count * size for count in counts)


def weights(name: str, shape: tuple[int, int, int, int], keep: float, largest: int = 7) -> np.ndarray:
    """float32 in the structure that kernel `name` runs: few levels, blocks, or anything."""
    rng = np.random.default_rng(int(np.prod(shape)))
    kept = rng.random(shape) < keep
    if name == "conv2d_few":
        steps = rng.uniform(0.5, 2, (shape[0], 1, 1, 1))
        return (rng.integers(-largest, largest + 1, shape) * kept * steps).astype(np.float32)
    return (rng.normal(0, 1, shape) * kept).astype(np.float32)


def of(name: str, conv: Conv2d, shape: tuple[int, ...], target: str) -> Compiled:
    def only(kernel: Kernel) -> bool:
        return kernel.name == name or kernel not in conv2d.OP.kernels

    return compiled(detector_of(chain(shape, [(conv2d.OP, conv)]), np.random.default_rng(0)), TARGETS[target], only)


def check(c: Compiled, compiler: str = "zig") -> None:
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm(compiler).run(x, quantized=True, nodes=True))


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("target", CORES)
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [
        ((7, 6, 4), (3, 3), (1, 1), (1, 1, 1, 1)),
        ((5, 9, 4), (1, 1), (1, 1), (0, 0, 0, 0)),  # 45 pixels in one row
        ((9, 5, 8), (3, 5), (2, 2), (2, 1, 2, 0)),  # three pixels in a row
        ((4, 1, 8), (2, 1), (1, 1), (0, 0, 0, 0)),  # one
        ((5, 5, 4), (2, 2), (1, 3), (0, 1, 0, 0)),  # two
    ],
)
def test_shapes(
    name: str, target: str, shape: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """Every border and number of pixels left at a row's end; a channel without weights and one that has all."""
    weight = weights(name, (5, *kernel, shape[2]), 0.4)
    weight[1], weight[2] = 0, weights(name, (1, *kernel, shape[2]), 1.0)[0]
    weight[3] = 0
    weight[3, -1, -1, -1] = 1  # nothing but the last input
    conv = Conv2d(weight, np.full(5, 0.1, np.float32), stride, padding, True)
    check(of(name, conv, shape, target), "gcc" if any(padding) else "zig")


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("target", CORES)
def test_long_rows(name: str, target: str) -> None:
    """Rows of 254 entries and more, so of several counts, and gaps that are bridged."""
    unit, channels = (4, 1024) if name == "conv2d_blocks" else (1, 512)
    weight = np.zeros((5, 2, 1, channels), np.float32)
    for row, count in zip(weight, (254, 255, 256)):
        row[1, 0, : unit * count] = 1
    weight[3, 0, 0, -1], weight[3, 1, 0, [3, -1]] = 1, (-1, 1)
    weight[4] = -1
    check(of(name, Conv2d(weight, np.zeros(5, np.float32), (1, 1), (0, 0, 0, 0)), (3, 3, channels), target))


@pytest.mark.parametrize("largest", [1, 2, 3, 7])
def test_bits_of_a_multiple(largest: int) -> None:
    """Two, three and four bits of a byte; gaps at and beyond what the others hold."""
    weight = weights("conv2d_few", (6, 1, 3, 64), 0.03, largest)
    weight[0] = 0
    weight[0, 0, 0, 0], weight[0, 0, 1:, [0, 63]] = largest, -1
    check(of("conv2d_few", Conv2d(weight, np.zeros(6, np.float32), (1, 1), (0, 0, 1, 1)), (2, 7, 64), "stm32"))


@pytest.mark.parametrize("target", CORES)
@pytest.mark.parametrize(("name", "most"), [("conv2d_sparse", 2.0), ("conv2d_few", 1.02), ("conv2d_blocks", 1.27)])
def test_bytes_of_a_nonzero_weight(name: str, most: float, target: str) -> None:
    """At 90 % zeros, a layer of 4,608 weights, 3x3 in a wide image: chosen for the least flash, counts apart."""
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (32, 3, 3, 16))
    kept = rng.random((32, 3, 3, 4)).repeat(4, axis=-1) if name == "conv2d_blocks" else rng.random(weight.shape)
    weight = (np.sign(weight) if name == "conv2d_few" else weight) * (kept < 0.1)
    conv = Conv2d(weight.astype(np.float32), np.zeros(32, np.float32), (1, 1), (1, 1, 1, 1))
    graph = detector_of(chain((16, 16, 16), [(conv2d.OP, conv)]), rng).graph
    code = kernel_code(TARGETS[target].core, Objective.SIZE.level)
    chosen = select_kernels(graph, TARGETS[target], Objective.SIZE, code, INFINITY, INFINITY)
    assert chosen["conv2d_0"] == name
    kernel = next(k for k in conv2d.OP.kernels if k.name == name)
    stream = next(v for k, v in kernel.pack(graph.nodes[0], graph).struct.items() if k.endswith("stream"))
    assert isinstance(stream, np.ndarray)
    assert (stream.nbytes - 32 * 3) / np.count_nonzero(graph.nodes[0].params.weight) <= most
