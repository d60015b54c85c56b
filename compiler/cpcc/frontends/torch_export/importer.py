"""Builds the float graph of an exported program, node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.errors import ModelError
from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.torch_export.source import arguments, kind, place, refuse, unsupported
from cpcc.passes.batch_norm import to_float32

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


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
class Importer(GraphBuilder):
    """Builds the graph; `values`, `lists` (results of a split) and `constants` are what torch's names stand for; `ports` are
    the names of the inputs by torch's, `results` those of the outputs."""

    constants: dict[str, torch.Tensor] = field(default_factory=dict, kw_only=True)
    handlers: Mapping[str, Handler] = field(default_factory=dict, kw_only=True)
    ports: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    results: Sequence[str] = field(default_factory=list, kw_only=True)
    stored: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.stored = frozenset(tensor.untyped_storage().data_ptr() for tensor in self.constants.values())

    values: dict[str, Value] = field(default_factory=dict)
    lists: dict[str, list[Value]] = field(default_factory=dict)

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
        if kind(node).endswith("_") and self.keeps(node.args[0]):
            raise refuse(
                node, "changing", f"the network's own {node.args[0]}", "networks without a memory of earlier samples"
            )
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

    def keeps(self, source: Any) -> bool:
        """Whether `source` is the memory of a weight or buffer, which would last from sample to sample."""
        tensor = self.constants.get(getattr(source, "name", ""))
        return tensor is not None and tensor.untyped_storage().data_ptr() in self.stored

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
            raise ModelError(f"{self.name}: input {node.name} is no tensor; supported: float32 tensors")
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
        tensor = self.ports[node.name]
        self.inputs.append(tensor)
        self.values[node.name] = self.input_value(tensor, shape)

    def input_value(self, tensor: str, shape: tuple[int, ...]) -> Value:
        """A vector, or an image channels-last; a sequence (1, c, length) is an image one row high."""
        sizes = (shape[1], 1, shape[2]) if len(shape) == 3 else shape[1:]
        order = (1, 2, 0) if len(sizes) == 3 else (0,)
        return self.fresh(tensor, shape, sizes, order)

    def add_output(self, node: torch.fx.Node) -> None:
        found: Any = node.args[0]
        if not found:
            raise ModelError(f"{self.name}: forward returns no tensor; return what the network computes")
        values = [self.values.get(getattr(result, "name", "")) for result in found]
        for name, value in zip(self.results, values, strict=True):
            if value is None:
                which = "the output" if len(found) == 1 else f"output {name}"
                raise ModelError(f"{self.name}: {which} does not depend on the input")
        self.add_outputs([v for v in values if v is not None], self.results)

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

    # in-place operations

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
