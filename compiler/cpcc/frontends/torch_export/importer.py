"""Builds the float graph of an exported program, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.errors import ModelError
from cpcc.frontends.torch_export.layout import Factors, merged, ordered, per_axis, positions
from cpcc.frontends.torch_export.source import arguments, kind, node_name, place, refuse, source_line, unsupported
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops import float_params as fp
from cpcc.optimize import to_float32

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class Value:
    """A torch tensor as the graph has it: `shape` is torch's, `factors` say where its elements lie in the memory of
    the graph's `tensor` (see `layout`). Values with the same `storage` are views of one memory: an in-place operation
    changes them all."""

    tensor: str
    shape: tuple[int, ...]
    factors: Factors
    storage: int


Handler = Callable[["Importer", Any], "Value | list[Value]"]


def constants(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Weights, buffers and constants by placeholder name."""
    stores: dict[str, Any] = {**program.constants, **program.state_dict}
    specs = program.graph_signature.input_specs
    return {spec.arg.name: stores[spec.target].detach() for spec in specs if spec.target in stores}


def _used_after(node: torch.fx.Node) -> set[str]:
    """Names of what the nodes behind `node` read."""
    names: set[str] = set()
    while node.op != "output":
        node = node.next
        names.update(source.name for source in node.all_input_nodes)
    return names


@dataclass
class Importer:
    """Builds the graph; `values`, `lists` (results of a split) and `constants` are what torch's names stand for."""

    name: str
    constants: dict[str, torch.Tensor]
    handlers: Mapping[str, Handler]
    values: dict[str, Value] = field(default_factory=dict)
    lists: dict[str, list[Value]] = field(default_factory=dict)
    copies: dict[tuple[str, Any], str] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    storages: int = 0

    def graph(self) -> Graph:
        return Graph(self.name, self.tensors, tuple(self.nodes), tuple(self.inputs), tuple(self.outputs))

    def refuse_control_flow(self, program: ExportedProgram) -> None:
        """Names a cond or a loop itself, rather than what computes its condition."""
        import torch

        for node in program.graph.nodes:
            if isinstance(node.target, torch._ops.HigherOrderOperator):
                what = f"{place(node)}: control flow ({node.target})"
                raise ModelError(f"{what} is not supported; compute both branches and blend them: m * a + (1 - m) * b")

    def visit(self, node: torch.fx.Node) -> None:
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
        if all(a.name in self.constants for a in node.all_input_nodes):
            self.fold_constant(node)
            return
        handler = self.handlers.get(kind(node))
        if handler is None:
            raise unsupported(node)
        result = handler(self, node)
        if isinstance(result, list):
            self.lists[node.name] = result
            return
        declared = node.meta["val"][0] if isinstance(node.meta["val"], (tuple, list)) else node.meta["val"]
        if 0 in declared.shape:
            raise refuse(node, "the zero-size result", tuple(declared.shape), "at least one element")
        if result.shape != tuple(declared.shape):
            raise ModelError(f"{place(node)}: shape {tuple(declared.shape)} declared, {result.shape} computed")
        self.values[node.name] = result

    def fold_constant(self, node: torch.fx.Node) -> None:
        """Operations on weights alone (a pruning mask, weight norm) are computed now."""
        import torch

        if kind(node).endswith("_"):
            raise unsupported(node)
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: self.constants[n.name])
        with torch.no_grad():
            self.constants[node.name] = node.target(*args, **kwargs)  # type: ignore[operator]

    # inputs and outputs

    def add_input(self, node: torch.fx.Node) -> None:
        import torch

        meta = node.meta.get("val")
        if not isinstance(meta, torch.Tensor):
            raise ModelError(f"{self.name}: input {node.name} is no tensor; supported: one float32 tensor")
        if self.inputs:
            raise ModelError(
                f"{self.name}: several inputs ({self.inputs[0]}, {node.name}); supported: 1, so join them and slice in forward"
            )
        if not all(isinstance(size, int) for size in meta.shape):
            raise ModelError(f"{self.name}: input {node.name} is dynamic; export without dynamic_shapes")
        if meta.dtype != torch.float32:
            raise ModelError(f"{self.name}: input {node.name} is {meta.dtype}; supported: torch.float32")
        shape = tuple(meta.shape)
        if len(shape) not in (2, 3, 4) or shape[0] != 1 or 0 in shape:
            raise ModelError(
                f"{self.name}: input shape {shape} is not supported; supported: (1, features), (1, c, length) or "
                "(1, c, h, w), so export with one example (batch size 1)"
            )
        self.inputs.append(node.name)
        self.values[node.name] = self.input_value(node.name, shape)

    def input_value(self, tensor: str, shape: tuple[int, ...]) -> Value:
        """A vector, or an image channels-last; a sequence (1, c, length) is an image one row high."""
        sizes = (shape[1], 1, shape[2]) if len(shape) == 3 else shape[1:]
        order = (1, 2, 0) if len(sizes) == 3 else (0,)
        return self.fresh(tensor, shape, sizes, order)

    def add_output(self, node: torch.fx.Node) -> None:
        results = node.args[0]
        if not isinstance(results, (tuple, list)) or len(results) != 1:
            raise ModelError(f"{self.name}: {len(results)} outputs; supported: 1, so join them with torch.cat")  # type: ignore[arg-type]
        value = self.values.get(getattr(results[0], "name", ""))
        if value is None:
            raise ModelError(f"{self.name}: the output does not depend on the input")
        self.outputs.append(self.vector(value, "output", "").tensor)

    # operands

    def value(self, node: torch.fx.Node, argument: str = "input") -> Value:
        source = arguments(node).get("self", arguments(node).get(argument))
        return self.operand(node, source)

    def operand(self, node: torch.fx.Node, source: Any) -> Value:
        """What `source`, an argument of `node`, stands for."""
        found = self.values.get(getattr(source, "name", ""))
        if found is None:
            raise refuse(node, "an input that is a constant", "", "the previous layer's output")
        return found

    def weight(self, node: torch.fx.Node, argument: str) -> np.ndarray | None:
        """A constant operand as float64, or None. Raises `ModelError` unless float32 and finite."""
        source = arguments(node).get(argument)
        return None if source is None else self.constant(node, source, argument)

    def constant(self, node: torch.fx.Node, source: Any, what: str) -> np.ndarray:
        import torch

        tensor = self.constants.get(source.name)
        if tensor is None:
            raise refuse(node, what, "computed from the input", "a constant")
        if tensor.dtype != torch.float32:
            raise refuse(node, f"{what} of type", tensor.dtype, "torch.float32; call .float() first")
        if tensor.numel() == 0:
            raise refuse(node, f"zero-size {what}", tuple(tensor.shape), "at least one element")
        return to_float32(tensor.numpy(), f"{place(node)}: {what}").astype(np.float64)

    def required(self, node: torch.fx.Node, argument: str) -> np.ndarray:
        result = self.weight(node, argument)
        if result is None:
            raise refuse(node, "missing", argument, "a constant")
        return result

    # results

    def new_storage(self) -> int:
        self.storages += 1
        return self.storages

    def fresh(self, tensor: str, shape: tuple[int, ...], sizes: Sequence[int], order: Sequence[int]) -> Value:
        """A new graph tensor for torch's `shape`, whose axes `sizes` lie in memory in `order`."""
        self.tensors[tensor] = Tensor(tensor, tuple(sizes[axis] for axis in order), Float32())
        return Value(tensor, shape, ordered(sizes, order), self.new_storage())

    def emit(self, node: torch.fx.Node, params: Any, source: Value, shape: tuple[int, ...]) -> Value:
        """Appends a node that computes a vector of torch's `shape`."""
        result = self.fresh(node.name, shape, (math.prod(shape),), (0,))
        self.append(node_name(node), params, (source.tensor,), node.name, source_line(node))
        return result

    def emit_image(
        self, node: torch.fx.Node, params: Any, sources: Sequence[Value], shape: tuple[int, ...], image: tuple[int, ...]
    ) -> Value:
        """Appends a node that computes the image (c, h, w), torch's `shape`, channels-last."""
        result = self.fresh(node.name, shape, image, (1, 2, 0))
        self.append(node_name(node), params, tuple(s.tensor for s in sources), node.name, source_line(node))
        return result

    def emit_like(self, node: torch.fx.Node, params: Any, source: Value) -> Value:
        """Appends a node whose output lies as its input does."""
        self.tensors[node.name] = Tensor(node.name, self.tensors[source.tensor].shape, Float32())
        self.append(node_name(node), params, (source.tensor,), node.name, source_line(node))
        return replace(source, tensor=node.name, storage=self.new_storage())

    def append(self, name: str, params: Any, sources: tuple[str, ...], output: str, line: str) -> None:
        taken = {node.name for node in self.nodes}
        unique, count = name, 2
        while unique in taken:
            unique, count = f"{name}_{count}", count + 1
        self.nodes.append(Node(unique, params, sources, output, line))

    def overwrite(self, node: torch.fx.Node, old: Value, new: Value) -> None:
        """After the in-place operation `node`, every view of the old memory has the new content. Raises `ModelError` where
        one that is used later is a copy here (a slice), which would keep the old."""
        later = _used_after(node)
        for name, value in self.values.items():
            if value.storage != old.storage:
                continue
            if value.tensor == old.tensor and value.factors == old.factors:
                self.values[name] = replace(value, tensor=new.tensor, factors=new.factors, storage=new.storage)
            elif value.tensor == old.tensor and new.factors == old.factors:
                self.values[name] = replace(value, tensor=new.tensor, storage=new.storage)
            elif name in later:
                raise refuse(
                    node, "an in-place operation on", "a tensor with other views", "the form that returns a new one"
                )

    # layout

    def reshaped(self, value: Value, shape: tuple[int, ...], name: str, line: str) -> Value:
        """`value` in a graph tensor of `shape`: same bytes."""
        if self.tensors[value.tensor].shape == shape:
            return value
        output = f"{value.tensor}.{'x'.join(map(str, shape))}"
        if output not in self.tensors:
            self.tensors[output] = Tensor(output, shape, Float32())
            self.append(f"{name}.reshape", fp.Reshape(shape), (value.tensor,), output, line)
        return replace(value, tensor=output)

    def laid_out(
        self,
        value: Value,
        sizes: Sequence[int],
        order: Sequence[int],
        name: str,
        line: str,
        shape: tuple[int, ...] | None = None,
    ) -> Value:
        """`value` in a graph tensor whose memory holds torch's axes `sizes` in `order`: a copy only where it must be.

        The tensor has `shape`, or where that is None the axes' sizes in `order`."""
        wanted = ordered(sizes, order)
        shape = tuple(sizes[axis] for axis in order) if shape is None else shape
        if merged(value.factors) == wanted:
            return self.reshaped(value, shape, name, line)
        axes = per_axis(value.factors, sizes)
        if axes is None:
            value = self.laid_out(value, (math.prod(sizes),), (0,), name, line)
            return self.laid_out(value, sizes, order, name, line, shape)
        loops = merged([factor for axis in order for factor in axes[axis]])
        return replace(self.copied(value, shape, loops, 0, name, line), factors=wanted)

    def copied(
        self,
        value: Value,
        shape: tuple[int, ...],
        loops: tuple[tuple[int, int], ...],
        offset: int,
        name: str,
        line: str,
    ) -> Value:
        """`value`'s memory through a `StridedCopy`; the factors are the caller's to set."""
        params = fp.StridedCopy(shape, loops, offset)
        output = self.copies.get((value.tensor, params))
        if output is None:
            output = f"{value.tensor}.copy{len(self.copies)}"
            self.copies[(value.tensor, params)] = output
            self.tensors[output] = Tensor(output, shape, Float32())
            self.append(f"{name}.copy", params, (value.tensor,), output, line)
        return replace(value, tensor=output)

    def padded(self, node: torch.fx.Node, value: Value, params: fp.Pad) -> Value:
        """An image tensor with zeros around or between its pixels; itself where `params` add none."""
        if not any(params.before + params.after + params.between):
            return value
        shape = self.tensors[value.tensor].shape
        sizes = zip(shape, params.before, params.after, params.between)
        output = f"{node.name}.padded"
        self.tensors[output] = Tensor(output, tuple(b + (n - 1) * (g + 1) + 1 + a for n, b, a, g in sizes), Float32())
        self.append(f"{node_name(node)}.pad", params, (value.tensor,), output, source_line(node))
        return replace(value, tensor=output)

    def vector(self, value: Value, name: str, line: str) -> Value:
        """`value` as a vector in torch's order."""
        return self.laid_out(value, (math.prod(value.shape),), (0,), name, line)

    def image(self, node: torch.fx.Node, value: Value, spatial: int = 2) -> tuple[Value, tuple[int, int, int]]:
        """`value` as a channels-last image tensor, and its (c, h, w); h is 1 where `spatial` is 1."""
        rank = spatial + 1
        if len(value.shape) not in (rank, rank + 1) or math.prod(value.shape[:-rank]) != 1:
            raise refuse(node, "input shape", value.shape, "(1, c, h, w)" if spatial == 2 else "(1, c, length)")
        c, h, w = value.shape[-3:] if spatial == 2 else (value.shape[-2], 1, value.shape[-1])
        return self.laid_out(value, (c, h, w), (1, 2, 0), node_name(node), source_line(node)), (c, h, w)

    def memory_order(self, value: Value, per_element: np.ndarray) -> np.ndarray:
        """`per_element` (..., n), one per element in torch's order, as they lie in memory."""
        result = np.empty_like(per_element)
        result[..., positions(value.factors)] = per_element
        return result

    def dense(self, value: Value) -> bool:
        """Whether the value is all of its graph tensor, each element once (an expanded tensor is not)."""
        return math.prod(value.shape) == self.tensors[value.tensor].size
