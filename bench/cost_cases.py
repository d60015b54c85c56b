"""Layers whose cost is measured: those that `fit_costs.py` fits the planner's constants to, and those kept out to test them.

A new kernel's shapes go here; every op is there with random samples of its own as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpcc.fixedpoint import Requant, TfliteRequant
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops import LAYOUT, OPS
from cpcc.ops.add import QAdd, tflite_add_scaling
from cpcc.ops.base import Op
from cpcc.ops.float_params import (
    ChannelLookup,
    Conv2d,
    DepthwiseConv2d,
    Linear,
    MaxPool2d,
    Mul,
    Reshape,
    WeightedSum,
)
from cpcc.ops.mul import QMul
from cpcc.ops.wide_lookup import QWideLookup
from cpcc.ops.wide_sigmoid import QWideSigmoid
from cpcc.quant.widths import wide_tensors
from cpcc.quantize import calibrate, quantize_graph

INT16, INT16_TFLITE = "int16", "int16 tflite"
CLAMP = 100
SAMPLES, KEPT_OUT = 24, 6  # of the ops that have no shapes of their own here


@dataclass(frozen=True, eq=False)
class Case:
    """One layer of an input of `shape`, and of `more` operands. `rounding` is "once", "tflite" or "tflite relu",
    "int16": once, with int16 activations, or "int16 tflite". `clamped` outputs end at `CLAMP`."""

    label: str
    params: Any
    shape: tuple[int, ...]
    rounding: str = "once"
    fit: bool = True  # else kept out, to test the fit
    more: tuple[tuple[int, ...], ...] = ()
    clamped: bool = False


def pruned(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    return (rng.normal(0, 1, shape) * (rng.random(shape) < keep)).astype(np.float32)


def blocks(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    """As `pruned`, in blocks of four consecutive inputs."""
    kept = rng.random((*shape[:-1], -(-shape[-1] // 4))) < keep
    return (rng.normal(0, 1, shape) * kept.repeat(4, axis=-1)[..., : shape[-1]]).astype(np.float32)


def blocks16(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    """As `pruned`, in blocks of sixteen."""
    kept = rng.random(-(-int(np.prod(shape)) // 16)) < keep
    return (rng.normal(0, 1, shape).ravel() * kept.repeat(16)[: int(np.prod(shape))]).reshape(shape).astype(np.float32)


def ternary(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    """As `pruned`, of one level and two signs."""
    return np.sign(pruned(rng, shape, keep))


def four_bits(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> np.ndarray:
    """As `pruned`, whole multiples from -7 to 7."""
    return (rng.integers(-7, 8, shape) * (rng.random(shape) < keep)).astype(np.float32)


def _structure(prune: Callable[..., np.ndarray]) -> str:
    return "" if prune is pruned else f" {prune.__name__}"


def _linears(
    rng: np.random.Generator, keep: float, rounding: str, fit: bool, prune: Callable[..., np.ndarray] = pruned
) -> list[Case]:
    sizes = ((16, 32), (32, 64), (64, 256), (10, 640), (7, 30), (3, 64), (128, 128)) if fit else ((24, 100), (41, 333))
    relu = rounding.endswith("relu")
    return [
        Case(f"linear {k}-{n} {keep} {rounding}{_structure(prune)}",
             Linear(prune(rng, (n, k), keep), np.zeros(n, np.float32), relu), (k,), rounding, fit)
        for n, k in sizes
    ]  # fmt: skip


def _convolutions(
    rng: np.random.Generator, keep: float, rounding: str, fit: bool, prune: Callable[..., np.ndarray] = pruned
) -> list[Case]:
    shapes = (
        ((8, 8, 8), 16, (3, 3), 1, 1), ((16, 16, 3), 16, (3, 3), 1, 1), ((8, 8, 32), 32, (1, 1), 1, 0),
        ((12, 12, 16), 8, (5, 5), 1, 0), ((9, 9, 8), 7, (3, 3), 1, 0), ((25, 5, 64), 64, (1, 1), 1, 0),
        ((17, 16, 16), 12, (3, 3), 2, 1), ((24, 24, 8), 16, (1, 1), 1, 0), ((20, 10, 1), 8, (4, 4), 2, 2),
        ((5, 5, 6), 10, (3, 3), 1, 1), ((6, 6, 64), 32, (3, 3), 1, 1), ((30, 1, 40), 24, (5, 1), 1, 0),
        ((10, 10, 9), 12, (3, 3), 1, 1), ((9, 17, 7), 6, (3, 3), 2, 1), ((16, 9, 13), 10, (1, 1), 1, 0),
    ) if fit else (((14, 14, 24), 20, (3, 3), 1, 1), ((7, 7, 96), 48, (1, 1), 1, 0), ((15, 15, 5), 9, (3, 3), 2, 1))  # fmt: skip
    found = []
    for shape, out, kernel, stride, pad in shapes:
        weight = prune(rng, (out, *kernel, shape[2]), keep)
        relu = rounding.endswith("relu")
        conv = Conv2d(weight, np.zeros(out, np.float32), (stride, stride), (pad,) * 4, relu)
        size = "x".join(map(str, shape))
        label = f"conv {kernel[0]}x{kernel[1]} {size}-{out} /{stride} {keep} {rounding}{_structure(prune)}"
        found.append(Case(label, conv, shape, rounding, fit))
    return found


def _depthwise(rng: np.random.Generator, rounding: str, fit: bool) -> list[Case]:
    shapes = (
        ((8, 8, 16), (3, 3), 1, 1), ((12, 12, 32), (3, 3), 1, 1), ((25, 5, 64), (3, 3), 1, 1), ((6, 6, 6), (3, 3), 1, 1),
        ((24, 24, 8), (3, 3), 1, 1), ((12, 12, 16), (3, 3), 2, 1), ((24, 1, 32), (10, 1), 1, 0), ((9, 9, 8), (5, 5), 1, 2),
        ((3, 3, 64), (3, 3), 1, 1), ((30, 1, 40), (3, 1), 1, 0), ((28, 1, 32), (5, 1), 1, 0), ((15, 1, 32), (15, 1), 1, 0),
        ((9, 3, 16), (4, 1), 1, 0), ((1, 20, 12), (1, 6), 1, 0),
    ) if fit else (((10, 14, 24), (3, 3), 1, 1), ((16, 16, 12), (3, 3), 2, 1), ((23, 1, 20), (7, 1), 1, 0))  # fmt: skip
    return _depthwise_cases(rng, shapes, rounding, fit)


def _halving(rng: np.random.Generator, rounding: str, fit: bool) -> list[Case]:
    """Depthwise 3x3 at stride 2."""
    shapes = (
        ((24, 24, 8), (3, 3), 2, 1), ((6, 6, 32), (3, 3), 2, 1), ((9, 30, 16), (3, 3), 2, 0), ((13, 13, 20), (3, 3), 2, 1),
        ((40, 8, 8), (3, 3), 2, 1),
    ) if fit else (((18, 14, 16), (3, 3), 2, 0),)  # fmt: skip
    return _depthwise_cases(rng, shapes, rounding, fit)


def _pruned_depthwise(rng: np.random.Generator, rounding: str, fit: bool) -> list[Case]:
    """Depthwise of which about half the weights are left, or one in ten; and of few levels."""
    shapes = (
        ((8, 8, 16), (3, 3), 1, 1), ((12, 12, 16), (3, 3), 2, 1), ((25, 5, 8), (3, 3), 1, 1), ((24, 1, 32), (10, 1), 1, 0),
        ((9, 9, 8), (5, 5), 1, 2), ((3, 3, 64), (3, 3), 1, 1), ((15, 1, 32), (15, 1), 1, 0), ((6, 21, 5), (3, 3), 1, 0),
    ) if fit else (((10, 14, 24), (3, 3), 1, 1), ((23, 1, 20), (7, 1), 1, 0))  # fmt: skip
    kinds = ((0.5, pruned), (0.1, pruned), (1.0, four_bits), (0.4, ternary))
    found = [case for kind in kinds for case in _depthwise_cases(rng, shapes, rounding, fit, *kind)]
    return found if fit else found[::3]


def _depthwise_cases(
    rng: np.random.Generator, shapes: tuple[Any, ...], rounding: str, fit: bool, keep: float = 1.0,
    prune: Callable[..., np.ndarray] = pruned,
) -> list[Case]:  # fmt: skip
    """Of shapes, kernels, strides and paddings."""
    found = []
    for shape, kernel, stride, pad in shapes:
        weight = prune(rng, (*kernel, shape[2]), keep)
        bias, relu = np.zeros(shape[2], np.float32), rounding.endswith("relu")
        layer = DepthwiseConv2d(weight, bias, (stride, stride), (pad,) * 4, relu)
        label = f"depthwise {kernel[0]}x{kernel[1]} {'x'.join(map(str, shape))} /{stride} " + (
            f"{keep} " if keep < 1 else ""
        )
        found.append(Case(label + rounding + _structure(prune), layer, shape, rounding, fit))
    return found


def _max_pools(fit: bool) -> list[Case]:
    shapes = (
        ((16, 16, 8), (2, 2), (2, 2), 0), ((8, 8, 32), (2, 2), (2, 2), 0), ((24, 24, 6), (2, 2), (2, 2), 0), ((12, 12, 16), (3, 3), (2, 2), 1),
        ((1, 64, 16), (1, 2), (1, 2), 0), ((1, 50, 30), (1, 2), (1, 2), 0), ((1, 60, 12), (1, 3), (1, 3), 0), ((9, 9, 20), (3, 3), (3, 3), 0),
    ) if fit else (((14, 14, 12), (2, 2), (2, 2), 0), ((1, 40, 24), (1, 2), (1, 2), 0), ((10, 10, 8), (3, 3), (2, 2), 1))  # fmt: skip
    found = []
    for shape, kernel, stride, pad in shapes:
        out = tuple((n + 2 * pad - k) // s + 1 for n, k, s in zip(shape, kernel, stride))
        pool = MaxPool2d(kernel, stride, (pad,) * 4, out)
        label = f"max pool {kernel[0]}x{kernel[1]} {'x'.join(map(str, shape))} /{stride[0]},{stride[1]}"
        found.append(Case(label, pool, shape, fit=fit))
    return found


def cases() -> list[Case]:
    rng = np.random.default_rng(0)
    found: list[Case] = []
    for fit in (True, False):
        for rounding in ("once", "tflite", "tflite relu"):
            found += _depthwise(rng, rounding, fit)
            for structure, keep in ((blocks, 0.1), (blocks16, 0.25), (ternary, 0.1), (ternary, 0.3), (ternary, 0.05)):
                found += _convolutions(np.random.default_rng(7), keep, rounding, fit, structure)
            for keep in (1.0, 0.1):
                found += _linears(rng, keep, rounding, fit) + _convolutions(rng, keep, rounding, fit)
            found += _halving(np.random.default_rng(10), rounding, fit)
            for keep in (0.02, 0.005):
                found += _convolutions(np.random.default_rng(8), keep, rounding, fit)
            found += _pruned_depthwise(np.random.default_rng(11), rounding, fit)
            few = np.random.default_rng(9)
            found += _convolutions(few, 1.0, rounding, fit, four_bits)
            for structure, keep in ((four_bits, 1.0), (ternary, 0.1), (blocks, 0.1)):
                found += _linears(few, keep, rounding, fit, structure)
        found += _max_pools(fit) + _clamped(fit)
        wide = np.random.default_rng(4)
        found += _depthwise(wide, INT16, fit) + _linears(wide, 1.0, INT16, fit) + _convolutions(wide, 1.0, INT16, fit)
    return found + list(_samples())


def _clamped(fit: bool) -> list[Case]:
    """Of every structure a few layers whose outputs end before the int8 range does, and one that is little but clamping."""
    rng = np.random.default_rng(13)
    found = (
        _depthwise(rng, "once", fit)[::2]
        + _halving(rng, "once", fit)
        + _pruned_depthwise(rng, "once", fit)[:: 5 if fit else 2]
    )
    for structure, keep in ((pruned, 1.0), (blocks, 0.1), (ternary, 0.1), (pruned, 0.005)):
        found += _convolutions(rng, keep, "once", fit, structure)[::3]
    for keep in (1.0, 0.1):
        found += _linears(rng, keep, "once", fit)[::2]
    if not fit:
        weight = np.zeros((16, 1, 1, 8), np.float32)
        empty = Conv2d(weight, np.zeros(16, np.float32), (1, 1), (0, 0, 0, 0), True)
        found.append(Case("conv 1x1 24x24x8-16 /1 0.0 once", empty, (24, 24, 8), fit=False))
    return [replace(case, label=f"{case.label} clamped", clamped=True) for case in found]


def _samples() -> Iterator[Case]:
    """Of every op that has no shapes above: random ones of its own; of sums with both roundings."""
    for op in (*OPS, *LAYOUT):
        if not op.kernels or op.float_params in (Linear, Conv2d, DepthwiseConv2d):
            continue
        rng = np.random.default_rng(3)
        for i in range(SAMPLES + KEPT_OUT):
            params, shapes = op.sample(rng)
            if i % 3 == 0 and op.in_place:  # sums and tables of an ordinary size
                size = int(rng.integers(50, 600))
                shapes = ((size,),) * len(shapes)
                if isinstance(params, ChannelLookup):  # whole pixels
                    shapes = ((size // params.channels, 1, params.channels),)
            for rounding in (
                "once",
                *(["tflite"] if op.name == "add" else []),
                *([INT16_TFLITE] if op.name in ("add", "mul", "lookup") else []),
                *([INT16] if op.int16 else []),
            ):
                yield Case(f"{op.name} {i} {rounding}", params, shapes[0], rounding, i < SAMPLES, shapes[1:])


def op_of_case(case: Case) -> Op:
    return next(op for op in (*OPS, *LAYOUT) if isinstance(case.params, op.float_params))


def graph_of(case: Case) -> Graph:
    """The layer as an integer graph with the case's rounding, its first node; its output is flat. Operands after the first are
    the input itself, spread over the shape by a layer of ones. A product of int16 tensors, which the quantizer does not make, is made of
    a sum."""
    product = case.rounding == INT16_TFLITE and isinstance(case.params, Mul)
    out = op_of_case(case).infer_shape(case.params, case.shape, *case.more)
    size = int(np.prod(out))
    shapes = {"x": case.shape, "y": out, "z": (size,)}
    nodes: list[Node] = []
    for i, shape in enumerate(case.more):
        many = int(np.prod(shape))
        shapes |= {f"flat{i}": (many,), f"operand{i}": shape}
        ones = Linear(np.ones((many, int(np.prod(case.shape))), np.float32), np.zeros(many, np.float32))
        nodes += [Node(f"l{i}", ones, ("x",), f"flat{i}"), Node(f"r{i}", Reshape(shape), (f"flat{i}",), f"operand{i}")]
    inputs = ("x", *(f"operand{i}" for i in range(len(case.more))))
    tensors = {name: Tensor(name, shape, Float32()) for name, shape in shapes.items()}
    nodes += [
        Node("n", WeightedSum() if product else case.params, inputs, "y"),
        Node("f", Reshape((size,)), ("y",), "z"),
    ]
    graph = Graph("bench", tensors, tuple(nodes), ("x",), ("z",))
    ranges = calibrate(graph, np.random.default_rng(1).normal(0, 1, (8, *case.shape)))
    wide = wide_tensors(graph, [node.name for node in graph.nodes] if case.rounding in (INT16, INT16_TFLITE) else [])
    rounded = with_rounding(quantize_graph(graph, ranges, wide), case.rounding, product)
    return clamped_at(rounded, CLAMP) if case.clamped else rounded


def layer(graph: Graph) -> Node:
    """The layer that a graph of `graph_of` is about."""
    return next(node for node in graph.nodes if node.name == "n")


def clamped_at(graph: Graph, high: int) -> Graph:
    """`graph` with a layer whose outputs end at `high`."""
    node = layer(graph)
    params = replace(node.params, output=replace(node.params.output, high=high))
    return replace(graph, nodes=tuple(replace(n, params=params) if n is node else n for n in graph.nodes))


def with_rounding(graph: Graph, rounding: str, product: bool = False) -> Graph:
    """`graph` with TensorFlow Lite's rounding in its layer where `rounding` says so."""
    if rounding in ("once", INT16):
        return graph
    node = layer(graph)
    if isinstance(node.params, QWideLookup):
        params: Any = QWideSigmoid.of("tanh", graph.input_tensors(node)[0].integer.scale)
    elif isinstance(node.params, QAdd) or rounding == INT16_TFLITE:
        a, b, y = (t.integer for t in (*graph.input_tensors(node), graph.output_tensor(node)))
        params = QAdd(tflite_add_scaling(a, b, y), node.params.low, node.params.high)
        if product:
            requant = TfliteRequant.from_scales(np.array([2.0**-16]))
            params = QMul(0, 0, requant, 0, node.params.low, node.params.high)
    else:
        output = node.params.output
        assert isinstance(output.requant, Requant)
        scales = output.requant.multiplier * 2.0 ** (output.requant.left_shift - 32)
        params = replace(node.params, output=replace(output, requant=TfliteRequant.from_scales(scales)))
    return replace(graph, nodes=tuple(replace(n, params=params) if n is node else n for n in graph.nodes))
