"""Functions of one value that a network writes out become one table: drawn ones, and those that exporters leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cpcc.errors import ModelError
from cpcc.frontends.onnx import to_graph
from cpcc.frontends.onnx.vectors import run_float
from cpcc.frontends.torch_export import to_graph as torch_to_graph
from cpcc.graph import Float32, Graph, Int8, Node, Tensor, validate
from cpcc.models.exporting import export_module
from cpcc.ops import lookup
from cpcc.ops.float_params import DepthwiseConv2d, Lookup, Mul, Relu, Reshape, StridedCopy
from cpcc.ops.formulas import Formula, Term
from cpcc.passes.pointwise import fuse_pointwise
from cpcc.quant.running import run_outputs
from cpcc.quantize import calibrate, quantize_graph
from onnx_files import node, onnx_file, run_oracle

UNARY = ("Tanh", "Sigmoid", "Erf", "Relu", "Abs", "Neg", "HardSwish", "Elu", "Softsign")
CONSTANT = ("Add", "Mul", "Sub", "Div")
SHAPES = [(1, 7), (1, 3, 6), (1, 2, 3, 4)]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_drawn_functions(data: Any) -> None:
    """A random graph of functions of one tensor computes what ONNX Runtime computes; where nothing else reads what lies between,
    and it is more than a factor and a ReLU, it is one table."""
    nodes, constants, known, used = [], {}, ["x"], set()
    for i in range(data.draw(st.integers(1, 7), label="steps")):
        kind = data.draw(st.sampled_from([*UNARY, *CONSTANT, "both"]))
        operand = data.draw(st.sampled_from(known[-3:]))
        if kind in UNARY:
            nodes.append(node(kind, [operand], [f"t{i}"]))
        elif kind == "both":
            other = data.draw(st.sampled_from(known))
            nodes.append(node(data.draw(st.sampled_from(["Add", "Sub", "Mul"])), [operand, other], [f"t{i}"]))
            used.add(other)
        else:
            constants[f"c{i}"] = np.float32(data.draw(st.sampled_from([0.5, -1.25, 3.0])))
            inputs = [operand, f"c{i}"] if kind == "Div" or data.draw(st.booleans()) else [f"c{i}", operand]
            nodes.append(node(kind, inputs, [f"t{i}"]))
        used.add(operand)
        known.append(f"t{i}")
    shape = data.draw(st.sampled_from(SHAPES))
    loose = [name for name in known[1:] if name not in used]
    model = onnx_file(nodes, {"x": shape}, constants, outputs=loose)
    graph = to_graph(model, "t").graph
    x = np.random.default_rng(0).uniform(-2, 2, shape).astype(np.float32)
    for actual, expected in zip(run_float(graph, [x]), run_oracle(model, {"x": x}), strict=True):
        np.testing.assert_allclose(actual, expected.ravel(), rtol=2e-5, atol=2e-5)
    kinds = [type(n.params) for n in graph.nodes if not isinstance(n.params, Reshape | StridedCopy)]
    assert len(loose) > 1 or kinds == [Lookup] or set(kinds) <= {Relu, DepthwiseConv2d}


class Written(nn.Module):
    """A convolution and `function`, in the middle of a network."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.conv, self.head, self.function = nn.Conv2d(1, 3, 3), nn.Linear(48, 2), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.function(self.conv(x)).flatten(1))


WRITTEN = {
    "gelu": (lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)), "gelu"),
    "gelu by tanh": (lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))), "gelu_tanh"),
    "hard swish": (lambda x: x * nn.functional.relu6(x + 3) / 6, "hardswish"),
    "silu": (lambda x: x * torch.sigmoid(x), "silu"),
    "mish": (lambda x: x * torch.tanh(nn.functional.softplus(x)), "mish"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_activations_by_their_definition(name: str) -> None:
    """One table, of the function that the layer of that name computes."""
    torch.manual_seed(0)
    function, own = WRITTEN[name]
    graph = torch_to_graph(export_module(Written(function).eval(), (1, 6, 6)), "t")
    tables = [n.params for n in graph.nodes if isinstance(n.params, Lookup)]
    assert [type(n.params).__name__ for n in graph.nodes if not isinstance(n.params, Reshape)] == [
        "Conv2d",
        "Lookup",
        "Linear",
    ]
    x = np.linspace(-8, 8, 257)
    np.testing.assert_allclose(lookup.run_float(tables[0], x), lookup.run_float(Lookup(own), x), rtol=1e-6, atol=1e-7)


def graph_of(*nodes: Node, outputs: tuple[str, ...] = ("y",)) -> Graph:
    tensors = {name: Tensor(name, (4,), Float32()) for name in ("x", *(n.output for n in nodes))}
    return validate(Graph("t", tensors, nodes, ("x",), outputs), Float32)


def test_what_others_read_is_kept() -> None:
    """An inner tensor that is an output too stays, and what lies behind it is a table of its own."""
    data = onnx_file([node("Tanh", ["x"], ["t"]), node("Exp", ["t"], ["e"]), node("Mul", ["e", "t"], ["m"]), node("Neg", ["m"])],
                     {"x": (1, 4)}, outputs=("y", "t"))  # fmt: skip
    graph = to_graph(data, "t").graph
    tables = [n.params for n in graph.nodes if isinstance(n.params, Lookup)]
    assert len(tables) == 2 and tables[0] == Lookup("tanh")
    x = np.linspace(-1, 1, 4, dtype=np.float32)[None]
    for actual, expected in zip(run_float(graph, [x]), run_oracle(data, {"x": x})):
        np.testing.assert_allclose(actual, expected.ravel(), atol=1e-6)


def test_a_factor_per_channel_is_no_function_of_one_value() -> None:
    net = nn.Sequential(nn.Tanh(), nn.BatchNorm2d(3), nn.Sigmoid(), nn.Flatten(), nn.Linear(27, 2))
    net[1].running_var.copy_(torch.tensor([1.0, 2.0, 3.0]))
    kinds = [type(n.params).__name__ for n in torch_to_graph(export_module(net.eval(), (3, 3, 3)), "t").nodes]
    assert kinds == ["Lookup", "DepthwiseConv2d", "Lookup", "Linear"]


def test_operands_that_broadcast_are_no_function_of_one_value() -> None:
    """The product of a tensor with its own transpose."""
    data = onnx_file([node("Transpose", ["x"], ["t"], perm=[0, 1, 3, 2]), node("Mul", ["x", "t"])], {"x": (1, 1, 3, 3)})
    graph = to_graph(data, "t").graph
    assert [n.params for n in graph.nodes if isinstance(n.params, Mul)] == [Mul()]


def test_a_function_that_is_no_number_is_refused() -> None:
    """``x * exp(-x * x)`` overflows to infinity times zero far outside the samples, where a table must have entries too."""
    formula = Formula((Term("exp", (0,)), Term("line", (0,), (0.0, 0.0)), Term("product", (1, 2))))
    graph = graph_of(Node("n", Lookup(formula), ("x",), "y"))
    x = np.full((4, 4), 2000.0)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ModelError, match="n: the function is no number for an input that can occur"),
    ):
        quantize_graph(graph, calibrate(graph, np.minimum(x, 700)) | {"x": (0.0, 2000.0)})


def test_int8_follows_float() -> None:
    data = onnx_file([node("Sigmoid", ["x"], ["s"]), node("Mul", ["s", "x"], ["m"]), node("Add", ["m", "c"])], {"x": (1, 4)},
                     {"c": np.float32(0.25)})  # fmt: skip
    graph = to_graph(data, "t").graph
    x = np.random.default_rng(0).normal(0, 2, (64, 4))
    int8 = quantize_graph(graph, calibrate(graph, x))
    kind = int8.output.integer
    q = int8.input.integer.quantize(x)
    exact = run_outputs(graph, Float32, int8.input.integer.dequantize(q))[graph.output.name]
    actual = kind.dequantize(run_outputs(int8, Int8, q)[int8.output.name])
    low, high = kind.dequantize(np.array([-128, 127]))
    assert np.abs(actual - np.clip(exact, low, high)).max() <= kind.scale / 2 + 1e-9  # one rounding


def test_a_formula_in_a_formula() -> None:
    """A table that is a formula already, behind another function."""
    inner = Formula((Term("tanh", (0,)), Term("product", (0, 1))))
    graph = graph_of(Node("first", Lookup("exp"), ("x",), "e"), Node("second", Lookup(inner), ("e",), "y"))
    fused = fuse_pointwise(graph)
    x = np.linspace(-1, 1, 4)[None]
    assert len(fused.nodes) == 1
    np.testing.assert_allclose(run_outputs(fused, Float32, x)["y"], np.exp(x) * np.tanh(np.exp(x)))


def test_an_output_on_the_way_is_kept() -> None:
    graph = graph_of(Node("a", Lookup("tanh"), ("x",), "m"), Node("b", Lookup("exp"), ("m",), "y"), outputs=("y", "m"))
    assert fuse_pointwise(graph) is graph
