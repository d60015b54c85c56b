"""Weights of few levels and blocks in the formats for least flash: what is packed, what it takes, and every corner of the kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpcc.code_size import kernel_code
from cpcc.formats.nibbles import block_rows, dense_bytes, few_levels, near_blocks, sparse_bits, sparse_bytes
from cpcc.graph import Int8
from cpcc.ops import OPS, conv2d, linear
from cpcc.ops.base import Kernel, Op
from cpcc.ops.float_params import Conv2d, Linear
from cpcc.plan.objective import Objective
from cpcc.plan.select import select_kernels
from cpcc.targets import TARGETS
from support import Compiled, assert_equal, chain, compiled, detector_of, extreme_inputs

INFINITY = float("inf")
LINEAR = ("linear_nibbles", "linear_few", "linear_blocks", "linear_near_blocks")
seeds = st.integers(0, 2**32 - 1)


def signed(nibble: int) -> int:
    return (nibble ^ 8) - 8


@given(seeds, st.integers(1, 70), st.floats(0, 1))
def test_bytes_give_the_weights_back(seed: int, columns: int, keep: float) -> None:
    rng = np.random.default_rng(seed)
    multiples = rng.integers(-8, 8, (3, columns)) * (rng.random((3, columns)) < keep)
    steps = rng.integers(1, 16, 3)
    matrix = np.clip(multiples * steps[:, None], -127, 127).astype(np.int8)
    levels = few_levels(matrix)
    if levels is None:
        return
    np.testing.assert_array_equal(levels.multiples.astype(np.int64) * levels.steps[:, None], matrix)
    for row, dense in zip(levels.multiples, dense_bytes(levels.multiples)):
        halves = [signed(n) for byte in dense.tolist() for n in (byte & 15, byte >> 4)]
        np.testing.assert_array_equal(halves[:columns], row)
        for bits in range(sparse_bits(row), 5):
            unpacked, position = np.zeros(columns, np.int64), 0
            for byte in sparse_bytes(row, bits):
                position += byte >> bits
                unpacked[position] += signed(byte << 4 - bits & 15) >> 4 - bits
            np.testing.assert_array_equal(unpacked, row)


def test_more_levels_are_refused() -> None:
    assert few_levels(np.array([[7, -8, 0]], np.int8)) is not None
    assert few_levels(np.array([[8, 1, 0]], np.int8)) is None
    assert few_levels(np.array([[-9, 1, 0]], np.int8)) is None
    assert few_levels(np.array([[-126, 18, 0], [127, -127, 0]], np.int8)) is not None


@given(seeds, st.integers(1, 700))
def test_blocks_give_the_weights_back(seed: int, blocks: int) -> None:
    """Gaps wider than a byte holds are bridged."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-127, 128, (2, blocks, 4)) * (rng.random((2, blocks, 1)) < 0.01)
    rows = block_rows(matrix.reshape(2, -1).astype(np.int8))
    unpacked, at = np.zeros_like(matrix), 0
    for row, count in zip(unpacked, rows.counts):
        position = 0
        for _ in range(count):
            position += int(rows.deltas[at])
            row[position] += rows.weights[4 * at : 4 * at + 4]
            at += 1
    np.testing.assert_array_equal(unpacked, matrix)


@given(seeds, st.integers(1, 90), st.floats(0, 1))
def test_near_blocks_give_the_weights_back(seed: int, blocks: int, keep: float) -> None:
    """Half bytes of 15 go on; a gap of 15 ends with one of 0."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-127, 128, (3, blocks, 4)) * (rng.random((3, blocks, 1)) < keep)
    rows = near_blocks(matrix.reshape(3, -1).astype(np.int8))
    halves = [n for byte in rows.deltas.tolist() for n in (byte & 15, byte >> 4)][: rows.halves]
    unpacked, weights = np.zeros_like(matrix), rows.weights.reshape(-1, 4)
    at = block = 0
    for row, count in zip(unpacked, rows.counts):
        position = 0
        for _ in range(count):
            while halves[at] == 15:
                position, at = position + 15, at + 1
            position, at = position + halves[at], at + 1
            row[position] = weights[block]
            block += 1
    np.testing.assert_array_equal(unpacked, matrix)
    assert at == rows.halves


def of(op: Op, params: object, shape: tuple[int, ...], name: str, target: str) -> Compiled:
    def only(kernel: Kernel) -> bool:
        return kernel.name == name or kernel not in op.kernels

    return compiled(detector_of(chain(shape, [(op, params)]), np.random.default_rng(0)), TARGETS[target], only)


def check(c: Compiled, compiler: str = "zig") -> None:
    x = extreme_inputs(np.random.default_rng(1), c.detector.graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm(compiler).run(x, quantized=True, nodes=True))


def levels(shape: tuple[int, ...], largest: int, keep: float) -> np.ndarray:
    """float32 whole multiples, at most `largest`, of a step for each output."""
    rng = np.random.default_rng(int(np.prod(shape)) + largest)
    steps = rng.uniform(0.5, 2, (len(shape) and shape[0], *[1] * (len(shape) - 1)))
    kept = rng.random(shape) < keep
    return (rng.integers(-largest, largest + 1, shape) * kept * np.float32(1) * steps.astype(np.float32)).astype(
        np.float32
    )


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
def test_linear(name: str, target: str) -> None:
    """255 to 257 inputs, one, a row without weights, one fully dense, and gaps that are bridged."""
    for columns, compiler in ((255, "zig"), (256, "gcc"), (257, "zig"), (1, "zig"), (2056, "zig")):
        rows = 5
        if name.endswith("blocks"):
            columns = 4 * -(-columns // 4)
        if name == "linear_near_blocks":  # which wants rows enough, of few blocks, to take fewer bytes
            rows = 21
        weight = levels((rows, columns), 7, 0.05)
        weight[0], weight[1] = 0, levels((1, columns), 3, 1.0)[0]
        weight[2] = 0
        weight[5:, 4:] = 0
        weight[2, -1] = 1
        check(of(linear.OP, Linear(weight, np.full(rows, 0.1, np.float32)), (columns,), name, target), compiler)


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad"),
    [((7, 6, 3), (3, 3), 1, 1), ((5, 9, 4), (1, 1), 1, 0), ((9, 5, 1), (3, 5), 2, 2), ((4, 4, 8), (2, 1), 1, 0)],
)
def test_convolutions(shape: tuple[int, int, int], kernel: tuple[int, int], stride: int, pad: int, target: str) -> None:
    """An odd number of weights in a kernel row, rows that four pixels do not divide, and every border."""
    weight = levels((5, *kernel, shape[2]), 7, 0.6)
    weight[1] = 0
    conv = Conv2d(weight, np.full(5, 0.1, np.float32), (stride, stride), (pad,) * 4, True)
    check(of(conv2d.OP, conv, shape, "conv2d_nibbles", target), "gcc" if pad else "zig")


@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
def test_size_takes_half_a_byte_for_a_weight(target: str) -> None:
    """Large layers of 4-bit weights, dense, and fully connected ternary ones of 90 % zeros or blocks of them: the auction for the least
    flash, and what a nonzero weight takes."""
    rng = np.random.default_rng(0)
    ternary = np.sign(rng.normal(0, 1, (32, 256))) * (rng.random((32, 256)) < 0.1)
    kept = (rng.random((32, 64)) < 0.1).repeat(4, axis=1)
    cases: list[tuple[Op, object, tuple[int, ...], str, float]] = [
        (conv2d.OP, Conv2d(levels((32, 3, 3, 16), 7, 1.0), np.zeros(32, np.float32), (1, 1), (1,) * 4), (6, 6, 16), "conv2d_nibbles", 0.6),
        (linear.OP, Linear(levels((32, 256), 7, 1.0), np.zeros(32, np.float32)), (256,), "linear_nibbles", 0.6),
        (linear.OP, Linear(ternary.astype(np.float32), np.zeros(32, np.float32)), (256,), "linear_few", 1.01),
        (linear.OP, Linear((rng.normal(0, 1, (32, 256)) * kept).astype(np.float32), np.zeros(32, np.float32)), (256,), "linear_near_blocks", 1.25),
    ]  # fmt: skip
    for op, params, shape, name, most in cases:
        graph = detector_of(chain(shape, [(op, params)]), np.random.default_rng(0)).graph
        code = kernel_code(TARGETS[target].core, "-Os")
        chosen = select_kernels(graph, TARGETS[target], Objective.SIZE, code, INFINITY, INFINITY)
        node = next(n for n in graph.nodes if isinstance(n.params, (conv2d.QConv2d, linear.QLinear)))
        assert chosen[node.name] == name
        kernel = next(k for o in OPS for k in o.kernels if k.name == name)
        struct = kernel.pack(node, graph).struct
        arrays = [struct[key] for key in ("multiples", "entries", "deltas", "weights") if key in struct]
        taken = sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))
        assert taken / np.count_nonzero(node.params.weight) <= most
        assert isinstance(graph.output_tensor(node).type, Int8)


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize(("short", "taken"), [(0, 1), (1, 1), (2, 2)])
def test_gaps(bits: int, short: int, taken: int) -> None:
    """Bytes up to a weight so many columns on, at the first and second widest distance."""
    widest = (256 >> bits) - 1
    for bridges in (0, 1):
        row = np.zeros(200, np.int8)
        row[widest * (bridges + 1) - 1 + short] = -1
        assert len(sparse_bytes(row, bits)) == bridges + taken


@pytest.mark.parametrize(
    ("least", "most", "bits"), [(0, 0, 2), (-2, 1, 2), (0, 2, 3), (-3, 0, 3), (-4, 3, 3), (-5, 3, 4), (-8, 7, 4)]
)
def test_bits_of_multiples(least: int, most: int, bits: int) -> None:
    assert sparse_bits(np.array([[0, least, most]], np.int8)) == bits
