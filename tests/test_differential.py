"""Reference = host C (sanitized) = ARM binary, value by value at every node, on random networks."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conftest import need_tool
from cpcc.executors.reference import ReferenceExecutor
from cpcc.graph import Graph, Int8
from cpcc.ops import OPS, avg_pool2d, conv2d, depthwise_conv2d, linear, max_pool2d, op_of, relu
from cpcc.ops.base import Kernel, Op
from cpcc.ops.float_params import AvgPool2d, Conv2d, DepthwiseConv2d, Linear, MaxPool2d, Relu
from cpcc.ops.samples import random_weights
from cpcc.targets import TARGETS
from support import assert_equal, chain, compiled, detector_of, extreme_inputs, single

# Kernels for .tflite models alone: tests/test_tflite_rounding.py
KERNELS = [(op, kernel) for op in OPS for kernel in op.kernels if not kernel.name.endswith("_tflite")]
EMULATED = [name for name, target in TARGETS.items() if target.core.unicorn_model and name.startswith("cortex")]


def check(graph: Graph, seed: int, target: str = "stm32", only: Kernel | None = None) -> None:
    """With `only`, that kernel runs the nodes of its op; networks that it does not apply to are not counted."""
    rng = np.random.default_rng(seed)
    detector, others = detector_of(graph, rng), []
    for node in detector.graph.nodes:
        if only in op_of(node, Int8).kernels:
            assume(only.applies(node, detector.graph))
            others = [k for k in op_of(node, Int8).kernels if k is not only]
    c = compiled(detector, TARGETS[target], lambda k: k not in others)
    x = extreme_inputs(rng, graph.input.shape)
    expected = c.reference().run(x, quantized=True, nodes=True)
    assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm().run(x, quantized=True, nodes=True))


@pytest.mark.parametrize(("op", "kernel"), KERNELS, ids=[kernel.name for _, kernel in KERNELS])
@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_kernel(op: Op, kernel: Kernel, seed: int) -> None:
    graph = single(op, np.random.default_rng(seed))
    check(graph, seed, only=kernel)


def random_network(rng: np.random.Generator) -> Graph:
    """An image net: convolutions, pools, activations, then a linear layer."""
    h, w, c = int(rng.integers(4, 12)), int(rng.integers(4, 12)), int(rng.choice([1, 2, 3]))
    shape: tuple[int, ...] = (h, w, c)
    steps: list[tuple[Op, object]] = []
    for _ in range(int(rng.integers(1, 4))):
        op, params = random_stage(rng, shape)
        steps.append((op, params))
        shape = op.infer_shape(params, shape)
    weight, bias = random_weights(rng, (int(rng.integers(1, 4)), int(np.prod(shape))))
    return chain((h, w, c), [*steps, (linear.OP, Linear(weight, bias))])


def random_stage(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Op, object]:
    h, w, c = shape
    choice = rng.integers(5)
    if choice == 0:
        weight, bias = random_weights(rng, (int(rng.integers(1, 5)), min(3, h), min(2, w), c))
        return conv2d.OP, Conv2d(weight, bias, (1, 1), (0, 1, 1, 0), True)
    if choice == 1:
        weight, bias = random_weights(rng, (c, min(2, h), min(3, w)))
        return depthwise_conv2d.OP, DepthwiseConv2d(weight.transpose(1, 2, 0), bias, (1, 1), (1, 0, 1, 1))
    if choice == 2 and min(h, w) > 1:
        return max_pool2d.OP, MaxPool2d((2, 2), (1, 1), (0, 0, 0, 0), (h - 1, w - 1))
    if choice == 3:
        rows, cols = avg_pool2d.adaptive_spans(h, 3), avg_pool2d.adaptive_spans(w, 2)
        areas = tuple(tuple((b - a) * (d - e) for e, d in cols) for a, b in rows)
        return avg_pool2d.OP, AvgPool2d(rows, cols, areas)
    return relu.OP, Relu()


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_networks(seed: int) -> None:
    """Several layers share the arena: a plan that overlaps live buffers dies here."""
    check(random_network(np.random.default_rng(seed)), seed)


@pytest.mark.parametrize("target", EMULATED)
def test_every_emulated_core(target: str) -> None:
    for op in OPS:
        seed = zlib.crc32(f"{op.name} {target}".encode())
        check(single(op, np.random.default_rng(seed)), seed, target)


def test_cortex_m55_on_qemu() -> None:
    need_tool("qemu-system-arm")
    for op in OPS:
        seed = zlib.crc32(op.name.encode())
        check(single(op, np.random.default_rng(seed)), seed, "cortex-m55")


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8", "int16"])
def test_input_quantization_is_the_same_everywhere(dtype: str) -> None:
    """NAME_quantize on the host and on the soft-float and hard-float cores equals numpy, bit for bit."""
    rng = np.random.default_rng(5)
    weight, bias = random_weights(rng, (2, 3, 3, 3))
    graph = chain((5, 4, 3), [(conv2d.OP, Conv2d(weight, bias, (1, 1), (0, 0, 0, 0)))])
    detector = detector_of(graph, rng, dtype)
    raw = rng.normal(0, 50, (40, 3, 5, 4))
    raw = raw.astype(np.float32) if dtype == "float32" else np.clip(raw, *_range(dtype)).astype(dtype)
    for target in ("stm32", "cortex-m0plus"):
        c = compiled(detector, TARGETS[target])
        expected = ReferenceExecutor(c.plan, detector).run(raw, nodes=True)
        assert_equal(expected, c.host().run(raw, nodes=True))
        assert_equal(expected, c.arm().run(raw, nodes=True))


def _range(dtype: str) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return info.min, info.max


def test_gcc_builds_the_same_values() -> None:
    need_tool("arm-none-eabi-gcc")
    rng = np.random.default_rng(11)
    graph = random_network(rng)
    c = compiled(detector_of(graph, rng))
    x = extreme_inputs(rng, graph.input.shape)
    assert_equal(c.reference().run(x, quantized=True, nodes=True), c.arm("gcc").run(x, quantized=True, nodes=True))
