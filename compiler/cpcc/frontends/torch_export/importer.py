"""Builds the float graph of an exported program, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.errors import ModelError
from cpcc.frontends.torch_export.source import arguments, kind, node_name, place, refuse, source_line, unsupported
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops import float_params as fp
from cpcc.optimize import to_float32

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class Value:
    """A torch tensor as the graph has it.

    `shape` is torch's. `order` is None where the graph tensor's memory has torch's element order; else it is
    the image ``(c, h, w)`` whose elements lie as ``(h, w, c)``. Values with the same `storage` are views of
    one memory: an in-place operation changes them all."""

    tensor: str
    shape: tuple[int, ...]
    order: tuple[int, int, int] | None
    storage: int


Handler = Callable[["Importer", Any], Value]


def constants(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Weights, buffers and constants by placeholder name."""
    stores: dict[str, Any] = {**program.constants, **program.state_dict}
    specs = program.graph_signature.input_specs
    return {spec.arg.name: stores[spec.target].detach() for spec in specs if spec.target in stores}


@dataclass
class Importer:
    """Builds the graph node by node; `values` and `constants` are what torch's names stand for."""

    name: str
    constants: dict[str, torch.Tensor]
    handlers: dict[str, Handler]
    values: dict[str, Value] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    storages: int = 0

    def graph(self) -> Graph:
        return Graph(self.name, self.tensors, tuple(self.nodes), tuple(self.inputs), tuple(self.outputs))

    def visit(self, node: torch.fx.Node, program: ExportedProgram) -> None:
        if node.op == "placeholder":
            if node.name not in self.constants:
                self.add_input(node)
        elif node.op == "output":
            self.add_output(node)
        elif node.op == "call_function":
            self.call(node)
        else:
            raise ModelError(f"{self.name}: {node.op} {node.name} is not supported; supported: plain layers")

    def call(self, node: torch.fx.Node) -> None:
        if not node.users and not kind(node).endswith("_"):
            return  # dead branch
        operands = node.all_input_nodes
        if operands and all(a.name in self.constants for a in operands):
            self.fold_constant(node)
            return
        handler = self.handlers.get(kind(node))
        if handler is None:
            raise unsupported(node)
        value = handler(self, node)
        declared = node.meta["val"][0] if isinstance(node.meta["val"], (tuple, list)) else node.meta["val"]
        if value.shape != tuple(declared.shape):
            raise ModelError(f"{place(node)}: shape {tuple(declared.shape)} declared, {value.shape} computed")
        self.values[node.name] = value

    def fold_constant(self, node: torch.fx.Node) -> None:
        """Operations on weights alone (a pruning mask, weight norm) are computed now."""
        import torch

        if kind(node).endswith("_"):
            raise unsupported(node)
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: self.constants[n.name])
        with torch.no_grad():
            self.constants[node.name] = node.target(*args, **kwargs)  # type: ignore[operator]

    def add_input(self, node: torch.fx.Node) -> None:
        import torch

        meta = node.meta.get("val")
        if not isinstance(meta, torch.Tensor):
            raise ModelError(f"{self.name}: input {node.name} is no tensor; supported: one float32 tensor")
        if self.inputs:
            raise ModelError(f"{self.name}: several inputs ({self.inputs[0]}, {node.name}); supported: 1")
        if not all(isinstance(size, int) for size in meta.shape):
            raise ModelError(f"{self.name}: input {node.name} is dynamic; export without dynamic_shapes")
        if meta.dtype != torch.float32:
            raise ModelError(f"{self.name}: input {node.name} is {meta.dtype}; supported: torch.float32")
        shape = tuple(meta.shape)
        if len(shape) not in (2, 4) or shape[0] != 1 or 0 in shape:
            raise ModelError(
                f"{self.name}: input shape {shape} is not supported; supported: (1, features) or "
                "(1, c, h, w), so export with one example (batch size 1)"
            )
        self.inputs.append(node.name)
        self.values[node.name] = self.fresh(node.name, shape)

    def fresh(self, tensor: str, shape: tuple[int, ...]) -> Value:
        """A new graph tensor for torch's `shape`: an image for four axes, else a vector."""
        self.storages += 1
        if len(shape) >= 3:
            c, h, w = shape[-3:]
            self.tensors[tensor] = Tensor(tensor, (h, w, c), Float32())
            return Value(tensor, shape, None if c == 1 or h * w == 1 else (c, h, w), self.storages)
        self.tensors[tensor] = Tensor(tensor, (math.prod(shape),), Float32())
        return Value(tensor, shape, None, self.storages)

    def add_output(self, node: torch.fx.Node) -> None:
        results = node.args[0]
        if not isinstance(results, (tuple, list)) or len(results) != 1:
            raise ModelError(f"{self.name}: {len(results)} outputs; supported: 1")  # type: ignore[arg-type]
        value = self.values.get(getattr(results[0], "name", ""))
        if value is None:
            raise ModelError(f"{self.name}: the output does not depend on the input")
        if value.order is not None:
            raise ModelError(
                f"{self.name}: the output is an image or a flattened image {value.shape}; supported: a "
                "vector of logits, so end with a Linear layer or global pooling"
            )
        self.outputs.append(self.vector(value, "output", "").tensor)

    # what handlers use

    def value(self, node: torch.fx.Node, argument: str = "input") -> Value:
        source = arguments(node).get("self", arguments(node).get(argument))
        found = self.values.get(getattr(source, "name", ""))
        if found is None:
            raise refuse(node, "an input that is a constant", "", "the previous layer's output")
        return found

    def weight(self, node: torch.fx.Node, argument: str) -> np.ndarray | None:
        """A constant operand as float64, or None. Raises `ModelError` unless float32 and finite."""
        import torch

        source = arguments(node).get(argument)
        if source is None:
            return None
        tensor = self.constants.get(source.name)
        if tensor is None:
            raise refuse(node, argument, "computed from the input", "a constant")
        if tensor.dtype != torch.float32:
            raise refuse(node, f"{argument} of type", tensor.dtype, "torch.float32; call .float() first")
        if tensor.numel() == 0:
            raise refuse(node, f"zero-size {argument}", tuple(tensor.shape), "at least one element")
        return to_float32(tensor.numpy(), f"{place(node)}: {argument}").astype(np.float64)

    def required(self, node: torch.fx.Node, argument: str) -> np.ndarray:
        result = self.weight(node, argument)
        if result is None:
            raise refuse(node, "missing", argument, "a constant")
        return result

    def emit(self, node: torch.fx.Node, params: Any, source: Value, shape: tuple[int, ...]) -> Value:
        """Appends a node; returns the value of torch's `shape` that it computes."""
        result = self.fresh(node.name, shape)
        self.append(node_name(node), params, source.tensor, node.name, source_line(node))
        return result

    def append(self, name: str, params: Any, source: str, output: str, line: str) -> None:
        taken = {node.name for node in self.nodes}
        unique, count = name, 2
        while unique in taken:
            unique, count = f"{name}_{count}", count + 1
        self.nodes.append(Node(unique, params, (source,), output, line))

    def reshaped(self, value: Value, shape: tuple[int, ...], name: str, line: str) -> Value:
        """`value` in a graph tensor of the channels-last `shape`: same bytes."""
        if self.tensors[value.tensor].shape == shape:
            return value
        output = f"{value.tensor}.{'x'.join(map(str, shape))}"
        if output not in self.tensors:
            self.tensors[output] = Tensor(output, shape, Float32())
            self.append(f"{name}.reshape", fp.Reshape(shape), value.tensor, output, line)
        return Value(output, value.shape, value.order, value.storage)

    def vector(self, value: Value, name: str, line: str) -> Value:
        return self.reshaped(value, (math.prod(value.shape),), name, line)

    def image(self, node: torch.fx.Node) -> tuple[Value, tuple[int, int, int]]:
        """The input as an image tensor, and its (c, h, w)."""
        value = self.value(node)
        if len(value.shape) not in (3, 4) or math.prod(value.shape[:-3]) != 1:
            raise refuse(node, "input shape", value.shape, "(1, c, h, w)")
        c, h, w = value.shape[-3:]
        wanted = None if c == 1 or h * w == 1 else (c, h, w)
        if value.order != wanted:
            raise refuse(node, "a vector reshaped to an image", (c, h, w), "one channel, or one pixel")
        return self.reshaped(value, (h, w, c), node_name(node), source_line(node)), (c, h, w)

    def overwrite(self, old: Value, new: Value) -> None:
        """After an in-place operation, every view of the old memory has the new content."""
        for name, value in self.values.items():
            if value.storage == old.storage:
                self.values[name] = Value(new.tensor, value.shape, value.order, new.storage)
