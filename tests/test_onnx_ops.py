"""Every operator of the ONNX front end on drawn shapes and parameters: the float graph against ONNX Runtime, the int8 graph
against the float graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.frontends.onnx import to_graph
from cpcc.frontends.onnx.model import HANDLERS
from cpcc.frontends.onnx.vectors import run_float
from cpcc.graph import Float32, Graph, Int8
from cpcc.ops import float_params as fp
from cpcc.ops import op_of
from cpcc.quantize import calibrate, quantize_graph, run_nodes
from onnx_files import node, onnx_file, run_oracle

Drawn = tuple[bytes, dict[str, tuple[int, ...]]]
DRAWS: dict[str, Callable[[Any], Drawn]] = {}
CHANNELS, SIDES = st.integers(1, 5), st.integers(3, 8)


def draws(*names: str) -> Callable[[Callable[[Any, str], Drawn]], Callable[[Any, str], Drawn]]:
    """Registers what draws a model for each of the operators `names`."""

    def register(draw: Callable[[Any, str], Drawn]) -> Callable[[Any, str], Drawn]:
        DRAWS.update({name: (lambda data, name=name: draw(data, name)) for name in names})
        return draw

    return register


def weights(data: Any, *shape: int) -> np.ndarray:
    seed = data.draw(st.integers(0, 2**16), label="seed")
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def image(data: Any) -> tuple[int, ...]:
    """(1, c, h, w) or (1, c, length)."""
    spatial = data.draw(st.integers(1, 2), label="axes")
    return (1, data.draw(CHANNELS, label="c"), *(data.draw(SIDES, label="side") for _ in range(spatial)))


def any_shape(data: Any) -> tuple[int, ...]:
    return data.draw(st.sampled_from([(1, 7), (1, 3, 6), (1, 2, 3, 4)]), label="shape")


def one(kind: str, shape: tuple[int, ...], constants: dict[str, np.ndarray] | None = None, **attributes: Any) -> Drawn:
    """One node that reads x and the constants, in order."""
    return onnx_file([node(kind, ["x", *(constants or {})], **attributes)], {"x": shape}, constants), {"x": shape}


def automatic(kernel: list[int], strides: list[int]) -> list[str]:
    """Values of auto_pad that ONNX Runtime takes for such windows."""
    return ["VALID", *(["SAME_UPPER", "SAME_LOWER"] if all(k >= s for k, s in zip(kernel, strides)) else [])]


@draws("Conv")
def conv(data: Any, kind: str) -> Drawn:
    shape, n = image(data), 0
    n = len(shape) - 2
    groups = data.draw(st.sampled_from([g for g in (1, 2, shape[1]) if shape[1] % g == 0]), label="group")
    kernel = [data.draw(st.integers(1, 3)) for _ in range(n)]
    out = groups * data.draw(st.integers(1, 3))
    attributes: dict[str, Any] = {"group": groups, "strides": [data.draw(st.integers(1, 3)) for _ in range(n)]}
    pad = data.draw(st.sampled_from(["NOTSET", *automatic(kernel, attributes["strides"])]), label="auto_pad")
    if pad == "NOTSET":
        attributes |= {"pads": [data.draw(st.integers(0, 2)) for _ in range(2 * n)]}
        dilations = [data.draw(st.integers(1, 2)) for _ in range(n)]
        fits = all((k - 1) * d < s for k, d, s in zip(kernel, dilations, shape[2:]))
        attributes |= {"dilations": dilations if fits else [1] * n}
    else:
        attributes |= {"auto_pad": pad}
    constants = {"w": weights(data, out, shape[1] // groups, *kernel)}
    if data.draw(st.booleans(), label="bias"):
        constants["b"] = weights(data, out)
    return one(kind, shape, constants, **attributes)


@draws("ConvTranspose")
def conv_transpose(data: Any, kind: str) -> Drawn:
    shape = image(data)
    n = len(shape) - 2
    groups = data.draw(st.sampled_from([g for g in (1, 2, shape[1]) if shape[1] % g == 0]), label="group")
    kernel = [data.draw(st.integers(2, 4)) for _ in range(n)]
    strides = [data.draw(st.integers(1, 3)) for _ in range(n)]
    attributes: dict[str, Any] = {"group": groups, "strides": strides}
    pad = data.draw(st.sampled_from(["NOTSET", "SAME_UPPER", "output_shape"]), label="padding")
    if pad == "NOTSET":
        attributes |= {"pads": [data.draw(st.integers(0, 1)) for _ in range(2 * n)],
                       "output_padding": [data.draw(st.integers(0, s - 1)) for s in strides]}  # fmt: skip
    elif pad == "output_shape":
        attributes |= {"output_shape": [(s - 1) * t + k for s, t, k in zip(shape[2:], strides, kernel)]}
    elif all(k >= s for k, s in zip(kernel, strides)):
        attributes |= {"auto_pad": pad}
    constants = {"w": weights(data, shape[1], data.draw(st.integers(1, 3)), *kernel)}
    return one(kind, shape, constants, **attributes)


@draws("Gemm")
def gemm(data: Any, kind: str) -> Drawn:
    k, n = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 6))
    flags = {"transB": data.draw(st.integers(0, 1)), "alpha": data.draw(st.sampled_from([1.0, 0.5])), "beta": 2.0}
    b = weights(data, *((n, k) if flags["transB"] else (k, n)))
    constants = {"b": b, "c": weights(data, *data.draw(st.sampled_from([(n,), (1, n), (1,)])))}
    return one(kind, (1, k), constants, **flags)


@draws("MatMul")
def matmul(data: Any, kind: str) -> Drawn:
    k, n = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 5))
    if data.draw(st.booleans(), label="right"):
        shape = data.draw(st.sampled_from([(1, k), (1, 4, k)]))
        return one(kind, shape, {"b": weights(data, k, n)})
    constants = {"a": weights(data, n, k)}
    return onnx_file([node(kind, ["a", "x"])], {"x": (1, k, 3)}, constants), {"x": (1, k, 3)}


@draws("BatchNormalization")
def batch_norm(data: Any, kind: str) -> Drawn:
    shape = data.draw(st.sampled_from([(1, 5), (1, 3, 6), (1, 2, 3, 4)]))
    c = shape[1]
    constants = {n: weights(data, c) for n in ("g", "b", "m")} | {"v": np.abs(weights(data, c)) + 0.1}
    return one(kind, shape, constants, epsilon=1e-3)


@draws("MaxPool", "AveragePool")
def pool(data: Any, kind: str) -> Drawn:
    shape = image(data)
    n = len(shape) - 2
    kernel = [data.draw(st.integers(1, 3)) for _ in range(n)]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": [data.draw(st.integers(1, 3)) for _ in range(n)]}
    if data.draw(st.booleans(), label="automatic"):
        attributes["auto_pad"] = data.draw(st.sampled_from(automatic(kernel, attributes["strides"])))
    else:
        pads = [data.draw(st.integers(0, k - 1)) for k in kernel]
        geometry = zip(shape[2:], pads, kernel, attributes["strides"])
        # opsets disagree about a last window that lies in the padding alone; such models are refused
        meets = all(-(-(n + 2 * p - k) // s) * s < n + p for n, p, k, s in geometry)
        attributes |= {"pads": pads * 2, "ceil_mode": data.draw(st.integers(0, 1)) if meets else 0}
    if kind == "AveragePool":
        attributes["count_include_pad"] = data.draw(st.integers(0, 1))
    return one(kind, shape, **attributes)


@draws("GlobalAveragePool", "GlobalMaxPool")
def global_pool(data: Any, kind: str) -> Drawn:
    return one(kind, image(data))


@draws("ReduceMean", "ReduceMax")
def reduce(data: Any, kind: str) -> Drawn:
    shape = any_shape(data)
    axes = data.draw(st.sets(st.integers(1, len(shape) - 1), min_size=1))
    return one(kind, shape, axes=sorted(axes), keepdims=data.draw(st.integers(0, 1)))


UNARY: dict[str, dict[str, Any]] = {
    "Abs": {}, "Celu": {"alpha": 0.7}, "Elu": {"alpha": 0.7}, "Erf": {}, "Exp": {}, "HardSigmoid": {}, "HardSwish": {},
    "LeakyRelu": {"alpha": 0.2}, "Relu": {}, "Selu": {}, "Sigmoid": {}, "Softplus": {}, "Softsign": {}, "Tanh": {},
    "ThresholdedRelu": {"alpha": 0.4}, "Neg": {}, "Identity": {}, "Dropout": {},
}  # fmt: skip


@draws(*UNARY)
def unary(data: Any, kind: str) -> Drawn:
    return one(kind, any_shape(data), **UNARY[kind])


@draws("Gelu", "Mish")
def newer_unary(data: Any, kind: str) -> Drawn:
    shape = any_shape(data)
    attributes = {"approximate": data.draw(st.sampled_from(["none", "tanh"]))} if kind == "Gelu" else {}
    return onnx_file([node(kind, ["x"], **attributes)], {"x": shape}, opset=20), {"x": shape}


@draws("Clip")
def clip(data: Any, kind: str) -> Drawn:
    low, high = data.draw(st.sampled_from([(0, 6), (-1, 1), (0.5, 2), (0, 0.4)]))
    return one(kind, any_shape(data), {"low": np.float32(low), "high": np.float32(high)})


@draws("Max", "Min", "Pow")
def with_number(data: Any, kind: str) -> Drawn:
    return one(kind, any_shape(data), {"c": np.float32(2 if kind == "Pow" else 0.3)})


@draws("PRelu")
def prelu(data: Any, kind: str) -> Drawn:
    shape = data.draw(st.sampled_from([(1,), (2, 1, 1), (3, 1), (4,), (2, 3, 4)]))
    return one(kind, (1, 2, 3, 4), {"s": np.random.default_rng(0).choice([0.3, -1.0, 2.0], shape).astype(np.float32)})


@draws("Cast")
def cast(data: Any, kind: str) -> Drawn:
    return one(kind, any_shape(data), to=1)


@draws("Softmax", "LogSoftmax")
def softmax(data: Any, kind: str) -> Drawn:
    shape = any_shape(data)
    return one(kind, shape, axis=data.draw(st.integers(1, len(shape) - 1)))


@draws("Add", "Sub", "Mul", "Div")
def binary(data: Any, kind: str) -> Drawn:
    shape = any_shape(data)
    if kind == "Div" or data.draw(st.booleans(), label="constant"):
        small = tuple(n if data.draw(st.booleans()) else 1 for n in shape)
        constant = weights(data, *small)
        constant = np.where(np.abs(constant) < 0.1, 1, constant).astype(np.float32)
        if kind != "Div" and data.draw(st.booleans(), label="first"):
            return onnx_file([node(kind, ["c", "x"])], {"x": shape}, {"c": constant}), {"x": shape}
        return one(kind, shape, {"c": constant})
    second = tuple(n if data.draw(st.booleans()) else 1 for n in shape)
    shapes = {"x": shape, "z": second}
    return onnx_file([node(kind, ["x", "z"])], shapes), shapes


@draws("Sum")
def sums(data: Any, kind: str) -> Drawn:
    shapes = dict.fromkeys(("x", "z", "t"), (1, 2, 3, 4))
    return onnx_file([node(kind, list(shapes))], shapes), shapes


@draws("GRU", "LSTM")
def recurrent(data: Any, kind: str) -> Drawn:
    gates, units, inputs, steps = (
        (3 if kind == "GRU" else 4),
        data.draw(st.integers(1, 5)),
        3,
        data.draw(st.integers(1, 6)),
    )
    direction = data.draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    count = 2 if direction == "bidirectional" else 1
    constants = {"w": weights(data, count, gates * units, inputs), "r": weights(data, count, gates * units, units),
                 "b": weights(data, count, 2 * gates * units)}  # fmt: skip
    attributes = {"direction": direction} | (
        {"linear_before_reset": data.draw(st.integers(0, 1))} if kind == "GRU" else {}
    )
    given = data.draw(st.booleans(), label="initial state")
    states = ["h", "c"][: 1 if kind == "GRU" else 2] if given else []
    constants |= {name: np.tanh(weights(data, count, 1, units)) for name in states}
    names = [["y"], ["", "y"]][data.draw(st.integers(0, 1), label="last state")]
    before = [node("Transpose", ["x"], ["series"], perm=[1, 0, 2])]
    layer = node(
        kind, ["series", "w", "r", "b", *([""] if given else []), *states], names, hidden_size=units, **attributes
    )
    return onnx_file([*before, layer], {"x": (1, steps, inputs)}, constants), {"x": (1, steps, inputs)}


@draws("Slice")
def slices(data: Any, kind: str) -> Drawn:
    shape = (1, 4, 5, 6)
    axes = sorted(data.draw(st.sets(st.integers(1, 3), min_size=1)))
    steps = [data.draw(st.sampled_from([1, 2, -1])) for _ in axes]
    limits = [(0, 2**31) if s > 0 else (-1, -(2**31)) for s in steps]
    starts = [data.draw(st.integers(0, 2)) if s > 0 else low for s, (low, _) in zip(steps, limits)]
    values = {"starts": starts, "ends": [high for _, high in limits], "axes": axes, "steps": steps}
    return one(kind, shape, {n: np.array(v, np.int64) for n, v in values.items()})


@draws("Split")
def split(data: Any, kind: str) -> Drawn:
    parts = {"split": np.array([1, 3, 2], np.int64)}
    nodes = [node(kind, ["x", "split"], ["a", "b", "y"], axis=data.draw(st.integers(1, 1))), node("Relu", ["a"], ["d"])]
    return onnx_file(nodes, {"x": (1, 6, 2, 3)}, parts), {"x": (1, 6, 2, 3)}


@draws("Gather")
def gather(data: Any, kind: str) -> Drawn:
    index = data.draw(st.sampled_from([2, [1], [0, 2], [2, 0, 1], [3, 1, 1, -1]]))
    return one(kind, (1, 4, 5, 4), {"i": np.array(index, np.int64)}, axis=data.draw(st.sampled_from([1, 3, -1])))


@draws("Concat")
def concat(data: Any, kind: str) -> Drawn:
    axis = data.draw(st.integers(1, 3))
    shapes = {
        name: tuple(n if i == axis else s for i, s in enumerate((1, 2, 3, 4))) for name, n in (("x", 3), ("z", 2))
    }
    return onnx_file([node(kind, list(shapes), axis=axis)], shapes), shapes


@draws("Pad")
def pad(data: Any, kind: str) -> Drawn:
    shape = any_shape(data)
    pads = [[0, *(data.draw(st.integers(0, 2)) for _ in shape[1:])] for _ in range(2)]
    return one(kind, shape, {"pads": np.array(pads, np.int64).ravel()})


@draws("Resize", "Upsample")
def resize(data: Any, kind: str) -> Drawn:
    shape = image(data)
    scales = np.array([1, 1, *(data.draw(st.integers(1, 3)) for _ in shape[2:])], np.float32)
    if kind == "Upsample":
        return onnx_file([node(kind, ["x", "s"])], {"x": shape}, {"s": scales}, opset=9), {"x": shape}
    modes = [("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("pytorch_half_pixel", "round_prefer_ceil")]
    place, nearest = data.draw(st.sampled_from(modes))
    attributes = {"mode": "nearest", "coordinate_transformation_mode": place, "nearest_mode": nearest}
    return onnx_file([node(kind, ["x", "", "s"], **attributes)], {"x": shape}, {"s": scales}), {"x": shape}


@draws("Expand", "Tile")
def repeats(data: Any, kind: str) -> Drawn:
    shape = (1, 3, 1, 4)
    values = [1, 3, data.draw(st.integers(1, 4)), 4] if kind == "Expand" else [1, 2, data.draw(st.integers(1, 3)), 1]
    return one(kind, shape, {"n": np.array(values, np.int64)})


@draws("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def views(data: Any, kind: str) -> Drawn:
    shape = data.draw(st.sampled_from([(1, 2, 3, 4), (1, 6, 1, 4)]))
    if kind == "Reshape":
        wanted = data.draw(st.sampled_from([[1, -1], [0, 4, -1], [1, 2, 2, 6]]))
        return one(kind, shape, {"s": np.array(wanted, np.int64)})
    if kind == "Flatten":
        return one(kind, shape, axis=data.draw(st.integers(0, 4)))
    axes = np.array([2] if kind == "Unsqueeze" else [0], np.int64)
    return one(kind, shape, {"axes": axes})


@draws("Transpose", "DepthToSpace", "SpaceToDepth")
def orders(data: Any, kind: str) -> Drawn:
    if kind == "Transpose":
        return one(kind, (1, 2, 3, 4), perm=[0, *data.draw(st.permutations([1, 2, 3]))])
    mode = {"mode": data.draw(st.sampled_from(["DCR", "CRD"]))} if kind == "DepthToSpace" else {}
    return one(kind, (1, 8, 4, 6), blocksize=2, **mode)


def test_every_operator_is_drawn() -> None:
    assert set(DRAWS) | {"QuantizeLinear", "DequantizeLinear"} == set(HANDLERS) | {"QuantizeLinear", "DequantizeLinear"}


@pytest.mark.parametrize("kind", sorted(DRAWS))
@settings(max_examples=8, deadline=None, report_multiple_bugs=False)
@given(data=st.data())
def test_float_graph_equals_onnx_runtime(kind: str, data: Any) -> None:
    model, shapes = DRAWS[kind](data)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16), label="input"))
    feeds = {name: rng.normal(0, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}
    graph = to_graph(model, "t").graph
    expected, actual = run_oracle(model, feeds)[0], run_float(graph, list(feeds.values()))[0]
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5 * scale)
    if len(graph.inputs) == 1:
        check_int8(graph, rng)


def check_int8(graph: Graph, rng: np.random.Generator) -> None:
    """The int8 graph on rounded inputs follows the float graph on the same real numbers."""
    x = rng.normal(0, 1.5, (16, *graph.input.shape))
    int8 = quantize_graph(graph, calibrate(graph, x))
    kind = int8.input.type
    assert isinstance(kind, Int8)
    q = kind.quantize(x)
    exact = run_nodes(graph, Float32, kind.dequantize(q))
    fixed = run_nodes(int8, Int8, q)
    errors: dict[str, float] = {graph.input.name: 0.0}
    for step in int8.nodes:
        own = next((n for n in graph.nodes if n.output == step.output), None)
        if own is None or isinstance(own.params, fp.Recurrent):
            return  # tables between the inputs of a concat; recurrent layers have tests of their own
        out = int8.tensors[step.output].type
        assert isinstance(out, Int8)
        before = max(errors[name] for name in own.inputs)
        errors[step.output] = tolerance(own.params, exact[own.inputs[0]], int8.tensors[own.inputs[0]].type, before, out)
        low, high = out.dequantize(np.array([-128, 127]))
        wanted = np.clip(exact[step.output], low, high)
        worst = np.abs(out.dequantize(fixed[step.output]) - wanted).max()
        assert worst <= errors[step.output], (step.name, worst, errors[step.output])


def tolerance(params: Any, x: np.ndarray, kind: Any, before: float, out: Int8) -> float:
    """Error of a node's output where its input is off by `before`: what its weights and its rounding add."""
    if isinstance(params, fp.Linear | fp.Conv2d | fp.DepthwiseConv2d):
        depthwise = isinstance(params, fp.DepthwiseConv2d)
        rows = (
            params.weight.reshape(-1, params.weight.shape[-1]).T
            if depthwise
            else params.weight.reshape(len(params.weight), -1)
        )
        step = np.abs(rows).max(axis=1) / 127 + np.abs(params.bias) / (kind.scale * 2.0**28)
        reach = np.abs(rows).sum(axis=1) * before + rows.shape[1] * (np.abs(x).max() + before) * step / 2
        return float(reach.max() + kind.scale * step.max() + out.scale)
    if isinstance(params, fp.Lookup):
        return 60 * before + 0.51 * out.scale  # exp is the steepest on these inputs
    if isinstance(params, fp.Softmax):
        return before + 2.5 / 256
    if isinstance(params, fp.LogSoftmax):
        return 2 * before + 0.51 * out.scale
    if isinstance(params, fp.Mul | fp.WeightedSum | fp.Add):
        return 2 * before * max(1.0, float(np.abs(x).max())) + 1.5 * out.scale
    return before + 1.01 * out.scale


def test_arithmetic_on_shapes_is_folded() -> None:
    """What exporters leave of ``x.view(x.size(0), -1)`` with a dynamic batch."""
    nodes = [
        node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Unsqueeze", ["batch", "axis"], ["first"]), node("Concat", ["first", "rest"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"]),
    ]  # fmt: skip
    constants = {"zero": np.array(0, np.int64), "axis": np.array([0], np.int64), "rest": np.array([-1], np.int64)}
    graph = to_graph(onnx_file(nodes, {"x": ("batch", 2, 3, 4)}, constants), "t").graph
    assert graph.input.shape == (3, 4, 2) and graph.output.shape == (24,)


def test_constants_are_computed() -> None:
    nodes = [
        node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0]), node("Mul", ["c", "two"], ["d"]),
        node("Add", ["x", "d"]),
    ]  # fmt: skip
    graph = to_graph(onnx_file(nodes, {"x": (1, 3)}, {"two": np.float32(2)}), "t").graph
    np.testing.assert_allclose(run_float(graph, [np.zeros((1, 3), np.float32)])[0], [2, 4, 6])


@pytest.mark.parametrize("final", ["Sigmoid", "Softmax", "LogSoftmax"])
def test_a_final_activation(final: str) -> None:
    """Of a detector it is dropped, views behind it or not; otherwise the output is what the file says."""
    n = 1 if final == "Sigmoid" else 3
    constants = {"w": np.random.default_rng(0).normal(0, 1, (n, 4)).astype(np.float32)}
    nodes = [node("Gemm", ["x", "w"], ["g"], transB=1), node(final, ["g"], ["s"]), node("Flatten", ["s"])]
    data = onnx_file(nodes, {"x": (1, 4)}, constants)
    names = [op_of(n, Float32).name for n in to_graph(data, "t", logits=0).graph.nodes]
    assert names == ["linear"]
    assert len(to_graph(data, "t").graph.nodes) > 1


@pytest.mark.parametrize("gate", ["Sigmoid", "HardSigmoid"])
def test_a_tensor_times_its_own_gate_is_one_table(gate: str) -> None:
    attributes = {"alpha": 1 / 6, "beta": 0.5} if gate == "HardSigmoid" else {}
    data = onnx_file([node(gate, ["x"], ["g"], **attributes), node("Mul", ["g", "x"])], {"x": (1, 2, 3, 4)})
    graph = to_graph(data, "t").graph
    kinds = [type(n.params) for n in graph.nodes]
    assert kinds.count(fp.Lookup) == 1 and fp.Mul not in kinds
    x = np.random.default_rng(0).normal(0, 3, (1, 2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(run_float(graph, [x])[0], run_oracle(data, {"x": x})[0].ravel(), atol=1e-6)


def test_several_inputs_and_outputs() -> None:
    shapes = {"left": (1, 4), "right": (1, 4)}
    nodes = [node("Add", ["left", "right"], ["s"]), node("Relu", ["s"], ["r"]), node("Sub", ["left", "r"], ["d"])]
    data = onnx_file(nodes, shapes, outputs=("d", "r"))
    feeds = {
        name: np.random.default_rng(i).normal(0, 1, s).astype(np.float32) for i, (name, s) in enumerate(shapes.items())
    }
    graph = to_graph(data, "t").graph
    assert graph.inputs == ("left", "right") and len(graph.outputs) == 2
    for actual, expected in zip(run_float(graph, list(feeds.values())), run_oracle(data, feeds)):
        np.testing.assert_allclose(actual, expected.ravel(), atol=1e-6)
    assert math.prod(graph.tensors[graph.outputs[0]].shape) == 4
