"""Layers computed in bands: every band equals those rows of the layer, on every executor, whatever the geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import need_tool
from cpcc import artifacts
from cpcc.detector import Detector
from cpcc.emit import emit_library
from cpcc.errors import ModelError
from cpcc.executors.elf import read_image
from cpcc.graph import Float32, Graph, Int8, Node, Tensor, validate
from cpcc.ops import OPS, conv2d, op_of
from cpcc.ops.avg_pool2d import adaptive_spans
from cpcc.ops.base import Kernel
from cpcc.ops.float_params import Add, AvgPool2d, Concat, Conv2d, DepthwiseConv2d, MaxPool2d, Relu, Reshape
from cpcc.ops.roll import Roll
from cpcc.ops.samples import random_weights
from cpcc.plan.plan import Plan, fastest_kernels, make_plan
from cpcc.plan.sizes import stored_bytes, struct_bytes
from cpcc.plan.steps import layer_of
from cpcc.quantize import run_nodes
from cpcc.stripes.choice import Search, best_stripes
from cpcc.stripes.frugal import stripes_and_kernels
from cpcc.stripes.regions import Region, Stripe, region
from cpcc.stripes.schedule import schedule
from cpcc.stripes.windows import rows_of
from cpcc.targets import TARGETS
from support import NAME, Compiled, assert_equal, chain, check_everywhere, detector_of, drawn, extreme_inputs

STM32 = TARGETS["stm32"]
CORES = ("stm32", "cortex-m0plus", "cortex-m3", "cortex-m7", "cortex-m33")


def random_layer(rng: np.random.Generator, shape: tuple[int, ...]) -> object:
    """A layer that works row by row, for an image of `shape`, its windows within it."""
    h, w, c = shape
    kernel = (int(rng.integers(1, min(4, h) + 1)), int(rng.integers(1, min(3, w) + 1)))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 3)))
    padding = tuple(
        int(rng.integers(0, (k + 1) // 2 + 1)) if k > 1 else 0 for k in (kernel[0], kernel[0], kernel[1], kernel[1])
    )
    padding = tuple(min(p, k - 1) for p, k in zip(padding, (kernel[0], kernel[0], kernel[1], kernel[1])))
    out = tuple(
        (size + padding[2 * a] + padding[2 * a + 1] - kernel[a]) // stride[a] + 1 for a, size in enumerate((h, w))
    )
    choice = rng.integers(7)
    if choice < 2:
        weight, bias = random_weights(rng, (int(rng.choice([4, 8])), *kernel, c))
        return Conv2d(weight, bias, stride, padding, True)
    if choice == 2:
        weight, bias = random_weights(rng, (c, *kernel))
        return DepthwiseConv2d(weight.transpose(1, 2, 0), bias, stride, padding)
    if choice in (3, 4):
        fits = all((o - 1) * s - p < size for o, s, p, size in zip(out, stride, padding[::2], (h, w)))
        return MaxPool2d(kernel, stride, padding, out) if fits else Relu()
    if choice == 5:
        rows, cols = adaptive_spans(h, int(rng.integers(1, h + 1))), adaptive_spans(w, int(rng.integers(1, w + 1)))
        return AvgPool2d(rows, cols, tuple(tuple((b - a) * (d - e) for e, d in cols) for a, b in rows))
    return Relu()  # fmt: skip


def random_images(rng: np.random.Generator) -> Graph:
    """Layers one behind the other; where shapes allow, one adds an earlier image or is laid beside it."""
    shape: tuple[int, ...] = (int(rng.integers(3, 20)), int(rng.integers(1, 7)), 4)
    if rng.random() < 0.2:
        shape = (1, int(rng.integers(12, 40)), 4)  # a series
    tensors, nodes = {"x": Tensor("x", shape, Float32())}, []

    def add(params: object, *inputs: str) -> str:
        op = next(op for op in OPS if isinstance(params, op.float_params))
        name = f"t{len(nodes)}"
        tensors[name] = Tensor(name, op.infer_shape(params, *(tensors[i].shape for i in inputs)), Float32())
        nodes.append(Node(f"n{len(nodes)}", params, inputs, name))
        return name

    last = "x"
    for _ in range(int(rng.integers(2, 6))):
        last = add(random_layer(rng, tensors[last].shape), last)
        others = [n for n in tensors if n not in (last, "x") and tensors[n].shape == tensors[last].shape]
        if others and rng.random() < 0.5:
            last = add(Add(False) if rng.random() < 0.6 else Concat(2), last, str(rng.choice(others)))
    size = tensors[last].size
    last = add(Reshape((size,)), last)
    return validate(Graph(NAME, tensors, tuple(nodes), ("x",), (last,)), Float32)


def random_regions(graph: Graph) -> list[Region]:
    layers = [rows_of(node, graph) for node in graph.nodes]
    n = len(graph.nodes)
    found = (region(graph, layers, begin, end) for begin in range(n) for end in range(begin + 2, n + 1))
    return [each for each in found if each is not None]


def random_striped(rng: np.random.Generator) -> tuple[Detector, Stripe]:
    """A detector with layers to cut, and one way to cut them: drawn until there is one."""
    for _ in range(200):
        detector = drawn(random_images, rng)
        if found := random_regions(detector.graph):
            chosen = found[int(rng.integers(len(found)))]
            return detector, chosen.stripe(int(rng.integers(1, chosen.layers[0].height + 1)))
    raise AssertionError("none of 200 networks has layers to cut")


def run_in_arena(plan: Plan, x: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of all steps for one sample (1, ...), each computed from what the arena holds; scratch is overwritten."""
    arena, graph, seen = np.full(plan.arena.size, 0x5A, np.int8), plan.graph, {}

    def memory(name: str) -> np.ndarray:
        at = plan.arena.offsets[name]
        return arena[at : at + graph.tensors[name].bytes]

    memory(graph.inputs[0])[:] = x.reshape(-1)
    for step in plan.steps:
        inputs = [memory(name).reshape(1, *graph.tensors[name].shape).copy() for name in step.node.inputs]
        at = plan.arena.offsets.get(f"scratch:{step.node.name}", 0)
        arena[at : at + step.packed.scratch_bytes] = 0x33
        memory(step.node.output)[:] = op_of(step.node, Int8).run_int8(step.node.params, *inputs).reshape(-1)
        seen[step.node.output] = memory(step.node.output).reshape(graph.tensors[step.node.output].shape).copy()
    for name in graph.outputs:
        seen[name] = memory(name).copy()
    return seen


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32 - 1))
def test_bands_are_rows_of_their_layer(seed: int) -> None:
    """In numpy, in the planned arena: wrong rows, wrong padding, rows lost or overwritten die here."""
    rng = np.random.default_rng(seed)
    detector, stripe = random_striped(rng)
    graph = detector.graph
    plan = make_plan(graph, TARGETS[str(rng.choice(CORES))], stripes=(stripe,))
    x = rng.integers(-128, 128, (1, *graph.input.shape)).astype(np.int8)
    values = run_nodes(graph, Int8, x)
    rows = dict.fromkeys((band.layer for band in plan.graph.bands.values()), 0)
    for name, found in run_in_arena(plan, x).items():
        band = plan.graph.bands.get(name)
        expected = (
            values[name][0] if band is None else values[band.tensor][0].take(range(band.start, band.stop), band.axis)
        )
        np.testing.assert_array_equal(found, expected, err_msg=name)
    for step in plan.steps:
        if step.node.output in plan.graph.bands and not isinstance(step.node.params, Roll):
            band = plan.graph.bands[step.node.output]
            assert rows[band.layer] == band.start, "a row is computed twice, or never"
            rows[band.layer] = band.stop
    last = next(node for node in graph.nodes if node.name == stripe.last)
    assert rows[stripe.last] in graph.output_tensor(last).shape[:2]


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_executor_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    detector, stripe = random_striped(rng)
    target = TARGETS[CORES[seed % len(CORES)]]
    plan = make_plan(detector.graph, target, stripes=(stripe,))
    c = Compiled(plan, detector, emit_library(plan, detector, NAME))
    x = extreme_inputs(rng, detector.graph.input.shape, 4)
    check_everywhere(c, x)


def pooled(rng: np.random.Generator, size: int = 32, channels: int = 16) -> Graph:
    """Two convolutions with overlapping pools behind them: most of the arena is the first one's output."""
    (w, b), (v, d) = random_weights(rng, (channels, 3, 3, 4)), random_weights(rng, (channels, 3, 3, channels))
    inner = (size - 3) // 2 + 1
    last = (inner - 3) // 2 + 1
    return chain((size, size, 4), [
        (op, p) for p in (
            Conv2d(w, b, (1, 1), (1, 1, 1, 1), True), MaxPool2d((3, 3), (2, 2), (0, 0, 0, 0), (inner, inner)),
            Conv2d(v, d, (1, 1), (1, 1, 1, 1), True), MaxPool2d((3, 3), (2, 2), (0, 0, 0, 0), (last, last)),
        )
        for op in OPS if isinstance(p, op.float_params)
    ])  # fmt: skip


def helium(kernel: Kernel) -> bool:
    return kernel.name == "depthwise_mve" or not kernel.name.startswith("depthwise")


@pytest.mark.parametrize("bands_of", [1, 3])
def test_bands_on_helium(bands_of: int) -> None:
    """Convolutions, a depthwise one and a pool on the Cortex-M55, `bands_of` rows of the pool at a time: every node, in QEMU."""
    need_tool("qemu-system-arm")
    rng, steps = np.random.default_rng(3), []
    (w, b), (v, d), (u, e) = (random_weights(rng, shape) for shape in ((16, 3, 3, 4), (16, 3, 3), (8, 1, 1, 16)))
    for params in (
        Conv2d(w, b, (1, 1), (1, 1, 1, 1), True), DepthwiseConv2d(v.transpose(1, 2, 0), d, (1, 1), (1, 1, 1, 1)),
        Conv2d(u, e, (1, 1), (0, 0, 0, 0), True), MaxPool2d((2, 2), (2, 2), (0, 0, 0, 0), (7, 6)),
    ):  # fmt: skip
        steps.append((next(op for op in OPS if isinstance(params, op.float_params)), params))
    detector = detector_of(chain((15, 13, 4), steps), rng)
    stripe = Stripe("conv2d_0", "max_pool2d_3", bands_of)
    plan = make_plan(detector.graph, TARGETS["cortex-m55"], helium, stripes=(stripe,))
    assert {"conv2d_mve", "depthwise_mve"} <= {step.kernel.name for step in plan.steps}
    assert plan.arena.size < make_plan(detector.graph, TARGETS["cortex-m55"]).arena.size
    c = Compiled(plan, detector, emit_library(plan, detector, NAME))
    x = extreme_inputs(rng, detector.graph.input.shape, 3)
    assert_equal(c.reference().run(x, quantized=True, nodes=True), c.arm().run(x, quantized=True, nodes=True))


def test_what_is_planned_is_what_is_linked() -> None:
    """The arena that the search priced is the image's, less what the exact search finds; equal structs are stored once."""
    rng = np.random.default_rng(0)
    detector = detector_of(pooled(rng), rng)
    whole = make_plan(detector.graph, STM32)
    stripes = best_stripes(detector.graph, whole.kernels, STM32)
    plan = make_plan(detector.graph, STM32, stripes=stripes)
    assert plan.arena.size <= Search(detector.graph, whole.kernels, STM32).outcome(stripes).arena
    assert plan.arena.size < 0.6 * whole.arena.size
    c = Compiled(plan, detector, emit_library(plan, detector, NAME))
    before = Compiled(whole, detector, emit_library(whole, detector, NAME))
    image = read_image(c.arm_image())
    assert image.symbols["cpcc_arena"].size == plan.arena.size
    structs = [name for name in image.symbols if name.endswith("_params")]
    assert len(structs) < len(plan.steps)
    constants = stored_bytes(step.packed for step in plan.steps)
    assert constants == stored_bytes(step.packed for step in whole.steps), (
        "weights or code of a layer stored for each band"
    )
    more = artifacts.image_sizes(c.arm_image()).model_flash - artifacts.image_sizes(before.arm_image()).model_flash
    structs_more = struct_bytes(step.packed for step in plan.steps) - struct_bytes(step.packed for step in whole.steps)
    assert more <= structs_more + 40 * (len(plan.steps) - len(whole.steps)) + 256, "calls, and the code of cpcc_roll"
    x = extreme_inputs(rng, detector.graph.input.shape, 3)
    arm = c.arm()
    assert_equal(c.reference().run(x, quantized=True, nodes=True), arm.run(x, quantized=True, nodes=True))
    assert arm.measure(x).instructions < 1.05 * before.arm().measure(x).instructions  # type: ignore[union-attr]


def test_striping_is_used_where_it_is_needed_or_pays() -> None:
    rng = np.random.default_rng(0)
    graph = detector_of(pooled(rng), rng).graph
    kernels = make_plan(graph, STM32).kernels
    whole = Search(graph, kernels, STM32).outcome(())
    assert best_stripes(graph, kernels, STM32, ram=whole.arena, only_needed=True) == ()
    needed = best_stripes(graph, kernels, STM32, ram=0.6 * whole.arena, only_needed=True)
    assert needed and Search(graph, kernels, STM32).outcome(needed).arena <= 0.6 * whole.arena
    rng = np.random.default_rng(0)
    small = detector_of(
        pooled(rng, 9, 12), np.random.default_rng(0)
    ).graph  # calls would take more flash than they save RAM
    assert best_stripes(small, make_plan(small, STM32).kernels, STM32) == ()


def inverted_residual() -> Graph:
    """A depthwise layer, then one whose input an expansion has made the largest tensor."""
    rng, steps, shape = np.random.default_rng(0), [], (48, 48, 3)

    def add(params: object) -> None:
        op = next(op for op in OPS if isinstance(params, op.float_params))
        steps.append((op, params))

    def pointwise(channels: int, out: int, size: int = 1, stride: int = 1, pad: int = 0) -> None:
        weight, bias = random_weights(rng, (out, size, size, channels))
        add(Conv2d(weight, bias, (stride, stride), (pad,) * 4, True))

    def depthwise(channels: int, stride: int) -> None:
        weight, bias = random_weights(rng, (channels, 3, 3))
        add(DepthwiseConv2d(weight.transpose(1, 2, 0), bias, (stride, stride), (1, 1, 1, 1)))

    pointwise(3, 16, 3, 1, 1), depthwise(16, 1), pointwise(16, 8), pointwise(8, 48), depthwise(48, 2), pointwise(48, 8)
    return detector_of(chain(shape, steps), rng).graph


def test_a_kernel_gives_way_where_its_scratch_would_keep_the_arena_large() -> None:
    """Once the expansion is striped, the depthwise layer before it needs the most."""
    graph = inverted_residual()
    fastest = "depthwise_tall"  # where RAM costs nothing
    kernels = {**fastest_kernels(graph, STM32), "depthwise_conv2d_1": fastest}
    alone = Search(graph, kernels, STM32).outcome(best_stripes(graph, kernels, STM32))
    stripes, changed = stripes_and_kernels(graph, kernels, STM32)
    together = Search(graph, changed, STM32).outcome(stripes)
    assert changed != kernels and together.arena < 0.8 * alone.arena, (alone.arena, together.arena)


def test_a_faster_kernel_comes_back_where_stripes_make_its_memory_free() -> None:
    graph = inverted_residual()
    kernels = {**fastest_kernels(graph, STM32), "depthwise_conv2d_4": "depthwise_3x3"}
    stripes, changed = stripes_and_kernels(graph, kernels, STM32)
    assert stripes and changed["depthwise_conv2d_4"] == "depthwise_stride2"
    search = Search(graph, kernels, STM32)
    assert search.outcome(stripes, changed).arena <= search.outcome(stripes).arena


def test_rows_that_are_kept() -> None:
    """By hand: a 3x3 pool of stride 2 behind a 3x3 convolution, two rows at a time: the pool keeps one row."""
    rng = np.random.default_rng(0)
    graph = detector_of(pooled(rng, 10), rng).graph
    layers = [rows_of(node, graph) for node in graph.nodes]
    found = region(graph, layers, 0, 2)
    assert found is not None
    plan = schedule(found, graph, 2)
    assert plan.made[found.inner[0]] == [2, 4, 6, 8, 9]  # the tenth row is in no window
    assert plan.made[found.output] == [0, 1, 2, 3, 4]
    assert plan.kept[found.inner[0]] == [0, 2, 4, 6, 9]
    assert plan.window(found.inner[0]) == 4 and plan.moved(found.inner[0]) == 2 + 2 + 2 + 2


def test_a_band_is_named_where_it_differs() -> None:
    rng = np.random.default_rng(0)
    graph = detector_of(pooled(rng), rng).graph
    plan = make_plan(graph, STM32, stripes=(Stripe("conv2d_0", "max_pool2d_1", 4),))
    names = [step.node.name for step in plan.steps]
    assert "conv2d_0[4:8]" in names and "max_pool2d_1[3:5]" in names
    assert {layer_of(step.node, plan.graph) for step in plan.steps} == {
        node.name for node in graph.nodes if op_of(node, Int8).kernels
    }


@pytest.mark.parametrize("stripe", [Stripe("conv2d_0", "nowhere", 1), Stripe("max_pool2d_1", "conv2d_0", 1),
                                    Stripe("conv2d_0", "flat", 2), Stripe("conv2d_0", "max_pool2d_1", 0)])  # fmt: skip
def test_a_stripe_of_another_graph_is_refused(stripe: Stripe) -> None:
    rng = np.random.default_rng(0)
    graph = detector_of(pooled(rng, 8), rng).graph
    with pytest.raises(ModelError, match="cannot be computed in bands; run cpcc build again"):
        make_plan(graph, STM32, stripes=(stripe,))


def test_what_is_read_elsewhere_is_in_no_stripe() -> None:
    rng = np.random.default_rng(0)
    graph = detector_of(pooled(rng), rng).graph
    seen = replace(graph, outputs=(graph.nodes[0].output, *graph.outputs))
    layers = [rows_of(node, seen) for node in seen.nodes]
    assert region(seen, layers, 0, 2) is None and region(seen, layers, 1, 3) is not None


@pytest.mark.parametrize("height", [1, 2])
def test_code_of_its_own_for_an_image_that_gives_one_row(height: int) -> None:
    """Found by bands of one row: the kernel took such an image for the joined rows of a 1x1 convolution."""
    weight = np.zeros((8, 2, 2, 4), np.float32)
    weight[4, 1, 1, 0] = weight[6, 1, 1, 3] = -1
    rng, padding = np.random.default_rng(0), (2 - height, 0, 1, 1)
    layer = Conv2d(weight, np.zeros(8, np.float32), (1, 1), padding, True)
    detector = detector_of(chain((height, 3, 4), [(conv2d.OP, layer)]), rng)
    plan = make_plan(detector.graph, STM32, lambda kernel: kernel.name == "conv2d_unrolled")
    c = Compiled(plan, detector, emit_library(plan, detector, NAME))
    x = extreme_inputs(rng, (height, 3, 4), 4)
    check_everywhere(c, x)
