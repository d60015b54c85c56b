"""Depthwise weights in fewer bytes than dense: what is packed, every corner of the kernels on each kind of core, what it takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpcc.code_size import kernel_code
from cpcc.formats.depthwise_bits import bit_fields, masked_weights, packed_levels
from cpcc.ops import depthwise_conv2d, linear
from cpcc.ops.base import Kernel
from cpcc.ops.depthwise_conv2d import packed
from cpcc.ops.float_params import DepthwiseConv2d, Linear
from cpcc.plan.objective import Objective
from cpcc.plan.select import select_kernels
from cpcc.targets import TARGETS
from support import Compiled, chain, check_everywhere, compiled, detector_of, extreme_inputs

CORES = ("stm32", "cortex-m0plus")
NONE, SAME = (0, 0, 0, 0), (1, 1, 1, 1)
INFINITY = float("inf")
seeds = st.integers(0, 2**32 - 1)


def fields_of(data: np.ndarray, count: int, bits: int) -> list[int]:
    """As the kernel reads them: the signed low bits of two bytes, shifted."""
    found = []
    for i in range(count):
        at = i * bits
        both = int(data[at >> 3]) | int(data[(at >> 3) + 1]) << 8
        low = both >> (at & 7) & ((1 << bits) - 1)
        found.append(low - (1 << bits) * (low >> bits - 1))
    return found


@given(seeds, st.integers(1, 7), st.integers(1, 12), st.sampled_from([1, 2, 3, 7]), st.floats(0, 1))
def test_levels_give_the_weights_back(seed: int, channels: int, taps: int, largest: int, keep: float) -> None:
    rng = np.random.default_rng(seed)
    multiples = rng.integers(-largest, largest + 1, (channels, taps)) * (rng.random((channels, taps)) < keep)
    matrix = (multiples * rng.integers(1, 19, (channels, 1))).astype(np.int8)
    levels = packed_levels(matrix)
    assert levels is not None and levels.bits <= {1: 2, 2: 3, 3: 3, 7: 4}[largest]
    assert len(levels.multiples) == -(-matrix.size * levels.bits // 8) + 1
    unpacked = np.array(fields_of(levels.multiples, matrix.size, levels.bits)).reshape(matrix.shape)
    np.testing.assert_array_equal(unpacked * levels.steps.astype(np.int64)[:, None], matrix)


def test_one_step_for_all_is_stored_once() -> None:
    matrix = np.array([[127, -127, 0], [0, 0, 0], [0, 127, 0]], np.int8)
    levels = packed_levels(matrix)
    assert levels is not None and levels.steps.tolist() == [127]
    several = packed_levels(np.array([[127, -127, 0], [0, 0, 0], [0, 5, 0]], np.int8))
    assert several is not None and len(several.steps) == 3
    empty = packed_levels(np.zeros((3, 9), np.int8))
    assert empty is not None and len(empty.steps) == 1
    assert packed_levels(np.array([[9, 1]], np.int8)) is None


@given(seeds, st.integers(1, 7), st.integers(1, 12), st.floats(0, 1))
def test_masks_give_the_weights_back(seed: int, channels: int, taps: int, keep: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.integers(-127, 128, (channels, taps)) * (rng.random((channels, taps)) < keep)).astype(np.int8)
    masked = masked_weights(matrix)
    unpacked = np.zeros(matrix.size, np.int8)
    bits = np.array([masked.mask[i >> 3] >> (i & 7) & 1 for i in range(matrix.size)], bool)
    unpacked[bits] = masked.weights[: bits.sum()]
    np.testing.assert_array_equal(unpacked.reshape(matrix.shape), matrix)
    assert len(masked.mask) == -(-matrix.size // 8) and len(masked.weights) == max(1, np.count_nonzero(matrix))


def test_fields_lie_from_the_lowest_bit_on() -> None:
    assert bit_fields(np.array([1, -1, 2, -4], np.int8), 3).tolist() == [0b10_111_001, 0b1000]


def weights(kernel: Kernel, shape: tuple[int, ...], keep: float, largest: int = 7) -> np.ndarray:
    """float32 that `kernel` runs: whole multiples of a step for each channel, or any that are not 0 everywhere."""
    rng = np.random.default_rng(int(np.prod(shape)))
    kept = rng.random(shape) < keep
    if kernel is packed.SPARSE:
        return (rng.normal(0, 1, shape) * kept).astype(np.float32)
    steps = rng.uniform(0.5, 2, shape[-1])
    return (rng.integers(-largest, largest + 1, shape) * kept * steps).astype(np.float32)


def of(kernel: Kernel, params: DepthwiseConv2d, shape: tuple[int, ...], target: str) -> Compiled:
    def only(other: Kernel) -> bool:
        return other is kernel or other not in depthwise_conv2d.OP.kernels

    detector = detector_of(chain(shape, [(depthwise_conv2d.OP, params)]), np.random.default_rng(0))
    return compiled(detector, TARGETS[target], only)


def check(c: Compiled, compiler: str = "zig") -> None:
    check_everywhere(c, extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape), compiler)


@pytest.mark.parametrize("kernel", [packed.FEW, packed.SPARSE], ids=["few", "sparse"])
@pytest.mark.parametrize("target", CORES)
@pytest.mark.parametrize(
    ("shape", "kernel_size", "stride", "padding"),
    [
        ((7, 6, 5), (3, 3), (1, 1), SAME),  # 45 weights
        ((9, 9, 8), (3, 3), (2, 2), (0, 1, 0, 1)),
        ((24, 1, 4), (10, 1), (1, 1), NONE),
        ((5, 8, 1), (2, 5), (1, 3), (1, 0, 2, 2)),  # one channel
        ((6, 5, 3), (5, 5), (1, 1), (2, 2, 2, 2)),
    ],
)
def test_shapes(
    kernel: Kernel, target: str, shape: tuple[int, int, int], kernel_size: tuple[int, int], stride: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """A channel without weights, one that has all, one with the last alone."""
    weight = weights(kernel, (*kernel_size, shape[2]), 0.5)
    if shape[2] > 2:
        weight[..., 0], weight[..., 1] = 0, weights(kernel, (*kernel_size, 1), 1.0)[..., 0]
        weight[..., 2] = 0
        weight[-1, -1, 2] = -1
    layer = DepthwiseConv2d(weight, np.full(shape[2], 0.1, np.float32), stride, padding, bool(any(padding)))
    check(of(kernel, layer, shape, target), "gcc" if any(padding) else "zig")


@pytest.mark.parametrize("largest", [1, 2, 3, 7])
@pytest.mark.parametrize("target", CORES)
def test_bits_of_a_multiple(largest: int, target: str) -> None:
    """Two, three and four bits of a byte; one step for all where they are ternary."""
    rng = np.random.default_rng(largest)
    multiples = rng.integers(-largest, largest + 1, (3, 3, 7)) * (rng.random((3, 3, 7)) < 0.7)
    multiples[0, 0] = largest
    multiples[..., 3] = 0
    weight = (multiples * np.linspace(0.3, 1, 7)).astype(np.float32)
    weight[..., 2] = 0
    weight[2, 1, 2] = -1  # its own step, but where all are ternary
    c = of(packed.FEW, DepthwiseConv2d(weight, np.zeros(7, np.float32), (1, 1), SAME), (5, 6, 7), target)
    struct = c.plan.steps[0].packed.struct
    assert (struct["bits"], struct["step_stride"]) == ({1: 2, 2: 3, 3: 3, 7: 4}[largest], int(largest > 1))
    check(c)


def test_no_weights() -> None:
    for kernel in (packed.FEW, packed.SPARSE):
        layer = DepthwiseConv2d(np.zeros((3, 3, 4), np.float32), np.ones(4, np.float32), (1, 1), SAME)
        check(of(kernel, layer, (4, 4, 4), "stm32"))


def test_where_nothing_is_saved_it_is_refused() -> None:
    """One zero in eight weights and more; few levels always save, but in kernels of two weights."""

    def applies(kernel: Kernel, weight: np.ndarray) -> bool:
        layer = DepthwiseConv2d(weight.astype(np.float32), np.zeros(weight.shape[2], np.float32), (1, 1), NONE)
        detector = detector_of(chain((6, 6, weight.shape[2]), [(depthwise_conv2d.OP, layer)]), np.random.default_rng(0))
        return kernel.applies(detector.graph.nodes[0], detector.graph)

    weight = np.linspace(0.5, 1, 64).reshape(2, 4, 8)
    for zeros, wanted in ((8, False), (9, True)):
        weight.ravel()[:zeros] = 0
        assert applies(packed.SPARSE, weight) == wanted
    assert not applies(packed.FEW, weight)
    assert applies(packed.FEW, weights(packed.FEW, (3, 3, 8), 1.0))
    assert not applies(packed.FEW, weights(packed.FEW, (2, 1, 8), 1.0))


@pytest.mark.parametrize("target", CORES)
@pytest.mark.parametrize(("largest", "most"), [(1, 2.3), (3, 4.5), (7, 5.6), (0, 2.2)])
def test_bytes_of_a_channel(largest: int, most: float, target: str) -> None:
    """Of 3x3 weights, nine bytes if dense: ternary, 3-bit, 4-bit, and 90 % zeros; chosen for the least flash."""
    rng = np.random.default_rng(0)
    kernel = packed.FEW if largest else packed.SPARSE
    weight = weights(kernel, (3, 3, 256), 1.0 if largest else 0.1, largest)
    if largest == 1:
        weight = np.sign(weight)
    layers = [
        (depthwise_conv2d.OP, DepthwiseConv2d(weight, np.zeros(256, np.float32), (1, 1), SAME)),
        (linear.OP, Linear(rng.normal(0, 1, (2, 4096)).astype(np.float32), np.zeros(2, np.float32))),
    ]
    graph = detector_of(chain((4, 4, 256), layers), rng).graph
    code = kernel_code(TARGETS[target].core, Objective.SIZE.level)
    chosen = select_kernels(graph, TARGETS[target], Objective.SIZE, code, INFINITY, INFINITY)
    assert chosen["depthwise_conv2d_0"] == kernel.name
    struct = kernel.pack(graph.nodes[0], graph).struct
    arrays = [struct[name] for name in ("mask", "weights", "multiples", "steps") if name in struct]
    assert sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) / 256 <= most
