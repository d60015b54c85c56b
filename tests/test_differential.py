"""Reference = host C (sanitized) = ARM binary, value by value at every node, on random networks."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import need_tool
from cpcc.detector import Detector
from cpcc.executors.reference import ReferenceExecutor
from cpcc.graph import Float32, Graph, Int8, Node, Tensor, validate
from cpcc.ops import (
    OPS,
    WIDE,
    avg_pool2d,
    concat,
    conv2d,
    depthwise_conv2d,
    linear,
    lookup,
    max_pool2d,
    mul,
    op_of,
    pad,
    relu,
    strided_copy,
    weighted_sum,
)
from cpcc.ops.base import Kernel, Op
from cpcc.ops.float_params import (
    AvgPool2d,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    Linear,
    Lookup,
    MaxPool2d,
    Mul,
    Pad,
    Relu,
    StridedCopy,
    WeightedSum,
)
from cpcc.ops.samples import random_weights
from cpcc.targets import TARGETS
from support import (
    assert_equal,
    chain,
    check_everywhere,
    compiled,
    detector_of,
    drawn,
    extreme_inputs,
    single,
    target_for,
)

# Kernels for .tflite models alone: tests/test_tflite_rounding.py
KERNELS = [(op, kernel) for op in OPS for kernel in op.kernels if not (kernel.wide or kernel.name.endswith("_tflite"))]
WIDE_KERNELS = [(op, kernel) for op in WIDE for kernel in op.kernels if kernel.wide or kernel.bytewise]
EMULATED = [name for name, target in TARGETS.items() if target.core.unicorn_model and name.startswith("cortex")]


def others_of(kernel: Kernel, node: Node) -> list[Kernel]:
    """The kernels that could run the node in `kernel`'s place."""
    kernels = (k for k in op_of(node, Int8).kernels if k is not kernel)
    return [k for k in kernels if k.wide == kernel.wide or kernel.bytewise]


def applies(kernel: Kernel, graph: Graph) -> bool:
    """Whether `kernel` can run every node of its op."""
    return all(kernel.applies(node, graph) for node in graph.nodes if kernel in op_of(node, Int8).kernels)


def suited(op: Op, kernel: Kernel, rng: np.random.Generator, wide: bool = False) -> Detector:
    """The first of the op's samples that `kernel` can run: drawn again here, for Hypothesis gives up where it has to
    discard most of what it draws, and narrow kernels take one sample in ten."""
    for _ in range(200):
        graph = single(op, rng)
        detector = detector_of(graph, rng, wide=[node.name for node in graph.nodes] if wide else ())
        if applies(kernel, detector.graph):
            return detector
    raise AssertionError(f"none of 200 samples of {op.name} suits {kernel.name}")


def check(detector: Detector, rng: np.random.Generator, target: str = "stm32", only: Kernel | None = None) -> None:
    """Equal values on all executors; with `only`, that kernel runs the nodes of its op."""
    graph, others = detector.graph, []
    for node in graph.nodes:
        if only in op_of(node, Int8).kernels:
            others = others_of(only, node)
    c = compiled(detector, TARGETS[target], lambda k: k not in others)
    x = extreme_inputs(rng, graph.input.shape, kind=type(graph.input.integer))
    check_everywhere(c, x)


@pytest.mark.parametrize(("op", "kernel"), KERNELS, ids=[kernel.name for _, kernel in KERNELS])
def test_every_kernel(op: Op, kernel: Kernel) -> None:
    """Kernels with weights have more corners, so they get more examples."""

    @settings(max_examples=12 if op.weights else 4)
    @given(seed=st.integers(0, 2**32 - 1))
    def run(seed: int) -> None:
        rng = np.random.default_rng(seed)
        check(suited(op, kernel, rng), rng, target_for(kernel), only=kernel)

    run()


@pytest.mark.parametrize(("op", "kernel"), WIDE_KERNELS, ids=[kernel.name for _, kernel in WIDE_KERNELS])
def test_every_int16_kernel(op: Op, kernel: Kernel) -> None:
    """With int16 activations throughout; what a kernel's int64 sums are for is in tests/test_int16.py."""

    @settings(max_examples=8 if op.weights else 3)
    @given(seed=st.integers(0, 2**32 - 1))
    def run(seed: int) -> None:
        rng = np.random.default_rng(seed)
        check(suited(op, kernel, rng, wide=True), rng, only=kernel)

    run()


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


def branching_network(rng: np.random.Generator) -> Graph:
    """Images of one size, each computed from any earlier ones; all that nothing read meet in the last layer."""
    h, w = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    tensors = {"x": Tensor("x", (h, w, int(rng.integers(1, 5))), Float32())}
    nodes: list[Node] = []

    def add(op: Op, params: object, inputs: tuple[str, ...]) -> str:
        name = f"t{len(nodes)}"
        tensors[name] = Tensor(name, op.infer_shape(params, *(tensors[i].shape for i in inputs)), Float32())
        nodes.append(Node(f"{op.name}_{len(nodes)}", params, inputs, name))
        return name

    for _ in range(int(rng.integers(3, 8))):
        a, b = (str(rng.choice(list(tensors))) for _ in range(2))
        b = b if tensors[a].shape == tensors[b].shape else a
        channels = tensors[a].shape[2]
        flipped = StridedCopy((h, w, channels), ((h * w, channels), (channels, -1)), channels - 1)
        choices: list[tuple[Op, object, tuple[str, ...]]] = [
            (lookup.OP, Lookup(str(rng.choice(["tanh", "hardswish"]))), (a,)),
            (mul.OP, Mul(), (a, b)),
            (weighted_sum.OP, WeightedSum((1.0, float(rng.choice([-1.0, 1.0]))), bool(rng.integers(2))), (a, b)),
            (concat.OP, Concat(2), (a, str(rng.choice(list(tensors))))),
            (strided_copy.OP, flipped, (a,)),
            (pad.OP, Pad((0, 0, int(rng.integers(2))), (0, 0, 1)), (a,)),
            (relu.OP, Relu(), (a,)),
        ]
        add(*choices[rng.integers(len(choices))])
    leaves = tuple(name for name in tensors if not any(name in node.inputs for node in nodes))
    last = add(concat.OP, Concat(2), leaves) if len(leaves) > 1 else leaves[0]
    weight, bias = random_weights(rng, (2, tensors[last].size))
    last = add(linear.OP, Linear(weight, bias), (last,))
    return validate(Graph("t", tensors, tuple(nodes), ("x",), (last,)), Float32)


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("network", [random_network, branching_network])
def test_random_networks(network: Callable[[np.random.Generator], Graph], seed: int) -> None:
    """Several layers share the arena: a plan that overlaps live buffers dies here."""
    rng = np.random.default_rng(seed)
    check(drawn(network, rng), rng)
    check(drawn(network, rng, wide_share=0.4), rng)


@pytest.mark.parametrize("target", EMULATED)
def test_every_emulated_core(target: str) -> None:
    for op in OPS:
        rng = np.random.default_rng(zlib.crc32(f"{op.name} {target}".encode()))
        check(detector_of(single(op, rng), rng), rng, target)


def test_cortex_m55_on_qemu() -> None:
    need_tool("qemu-system-arm")
    for op in OPS:
        rng = np.random.default_rng(zlib.crc32(op.name.encode()))
        check(detector_of(single(op, rng), rng), rng, "cortex-m55")


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
