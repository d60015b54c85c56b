"""`torch.export` programs to float graphs.

torch computes channels first, ``(1, c, h, w)``; the graph is channels-last. A `Value` therefore records in
which order the elements of its graph tensor lie: flattening an image costs nothing at run time, for the
columns of the next Linear are permuted instead. Shapes here are torch's and include the batch, which is 1.
"""

from __future__ import annotations

import copy
import math
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.archive import user_line
from cpcc.errors import ModelError
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops import float_params as fp
from cpcc.optimize import BatchNorm, optimize, to_float32

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

SUPPORTED = (
    "Linear, Conv2d (also depthwise), BatchNorm1d, BatchNorm2d, ReLU, MaxPool2d, AvgPool2d, "
    "AdaptiveAvgPool2d, Flatten, Dropout (dropped), a final Sigmoid or Softmax (dropped)"
)


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


def to_graph(program: ExportedProgram, name: str) -> Graph:
    """The float graph of `program`: one input, one output vector (logits), batch norm folded, ReLU fused,
    a final Sigmoid or Softmax dropped. Raises `ModelError` naming the layer that is not supported."""
    program, _ = strip_final_activation(program)
    importer = _Importer(name, _constants(program))
    for node in program.graph.nodes:
        importer.visit(node, program)
    return optimize(importer.graph())


# --- the final activation -------------------------------------------------------------------------------

_FINAL = {
    "aten.sigmoid.default": "Sigmoid", "aten.sigmoid_.default": "Sigmoid", "aten.softmax.int": "Softmax",
    "aten._softmax.default": "Softmax", "aten.log_softmax.int": "LogSoftmax",
    "aten._log_softmax.default": "LogSoftmax",
}  # fmt: skip


def strip_final_activation(program: ExportedProgram) -> tuple[ExportedProgram, str]:
    """`program` without its final Sigmoid, Softmax or LogSoftmax; and the dropped layer's name or "".

    Reshapes behind the activation are kept. The given program is not changed."""
    original = _final_activation(program.graph)
    if original is None:
        return program, ""
    with warnings.catch_warnings():
        # Copying rebuilds torch's own LeafSpec objects, a class torch 2.13 has deprecated.
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        return _without(program, original.name), _FINAL[str(original.target)]


def _without(program: ExportedProgram, name: str) -> ExportedProgram:
    """A copy of `program` (weights shared) where node `name` passes its input through."""
    module = copy.deepcopy(program.graph_module)
    for copied, original in zip(module.graph.nodes, program.graph.nodes):
        copied.name = original.name  # copying renames nodes such as "input"; the signature would not match
    node = next(n for n in module.graph.nodes if n.name == name)
    source: Any = node.args[0]
    node.replace_all_uses_with(source)
    module.graph.erase_node(node)
    module.recompile()
    signature = copy.deepcopy(program.graph_signature)
    for spec in signature.output_specs:
        if getattr(spec.arg, "name", None) == name:
            spec.arg.name = source.name
    return program._update(module, signature)


def _final_activation(graph: torch.fx.Graph) -> torch.fx.Node | None:
    # the output node's arguments are a tuple of results
    node: Any = next(n for n in reversed(graph.nodes) if n.op == "output").args[0][0]
    while not isinstance(node, (int, float, type(None))) and _kind(node) in _RESHAPES | _DROPPED:
        node = node.args[0]
    if str(node.target) not in _FINAL or len(node.users) != 1 or not hasattr(node.args[0], "meta"):
        return None
    shape = tuple(node.meta["val"].shape)
    if _FINAL[str(node.target)] == "Sigmoid":
        return node
    return node if arguments(node)["dim"] % len(shape) == _class_axis(shape) else None


def _class_axis(shape: tuple[int, ...]) -> int:
    """The only axis longer than 1, or -1: a softmax over anything else is no decision between classes."""
    long = [axis for axis, size in enumerate(shape) if size > 1]
    return long[0] if len(long) == 1 else -1


# --- where a node comes from ----------------------------------------------------------------------------


def _kind(node: torch.fx.Node) -> str:
    """``conv2d`` of ``aten.conv2d.padding``."""
    return str(node.target).split(".")[1] if str(node.target).startswith("aten.") else str(node.target)


def _module(node: torch.fx.Node) -> tuple[str, str]:
    """Path and class of the module of `node`, as ("features.0", "torch.nn.modules.conv.Conv2d")."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return (str(stack[-1][0]), str(stack[-1][1])) if stack else ("", "")


def _node_name(node: torch.fx.Node) -> str:
    """The module's path for torch's own layers; path and operation for a function called in user code."""
    path, kind = _module(node)
    if kind.startswith("torch.nn.modules") and path:
        return path
    return f"{path}.{node.name}" if path else node.name


def _source(node: torch.fx.Node) -> str:
    return user_line(node.meta.get("stack_trace"))


def _place(node: torch.fx.Node) -> str:
    """``net.3 (GELU, model.py:12)``"""
    kind = _module(node)[1]
    layer = kind.rpartition(".")[2] if kind.startswith("torch.nn.modules") else f"aten.{_kind(node)}"
    return f"{_node_name(node)} ({', '.join(part for part in (layer, _source(node)) if part)})"


def _unsupported(node: torch.fx.Node) -> ModelError:
    return ModelError(f"{_place(node)}: aten.{_kind(node)} is not supported; supported layers: {SUPPORTED}")


def _limit(node: torch.fx.Node, what: str, value: Any, supported: Any) -> ModelError:
    return ModelError(f"{_place(node)}: {what} {value} is not supported; supported: {supported}")


# --- the importer ---------------------------------------------------------------------------------------


def _constants(program: ExportedProgram) -> dict[str, torch.Tensor]:
    """Weights, buffers and constants by placeholder name."""
    stores: dict[str, Any] = {**program.constants, **program.state_dict}
    specs = program.graph_signature.input_specs
    return {spec.arg.name: stores[spec.target].detach() for spec in specs if spec.target in stores}


@dataclass
class _Importer:
    """Builds the graph node by node; `values` and `constants` are what torch's names stand for."""

    name: str
    constants: dict[str, torch.Tensor]
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
        if not node.users and not _kind(node).endswith("_"):
            return  # dead branch
        operands = node.all_input_nodes
        if operands and all(a.name in self.constants for a in operands):
            self.fold_constant(node)
            return
        handler = _HANDLERS.get(_kind(node))
        if handler is None:
            raise _unsupported(node)
        value = handler(self, node)
        declared = node.meta["val"][0] if isinstance(node.meta["val"], (tuple, list)) else node.meta["val"]
        if value.shape != tuple(declared.shape):
            raise ModelError(f"{_place(node)}: shape {tuple(declared.shape)} declared, {value.shape} computed")
        self.values[node.name] = value

    def fold_constant(self, node: torch.fx.Node) -> None:
        """Operations on weights alone (a pruning mask, weight norm) are computed now."""
        import torch

        if _kind(node).endswith("_"):
            raise _unsupported(node)
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
            raise _limit(node, "an input that is a constant", "", "the previous layer's output")
        return found

    def weight(self, node: torch.fx.Node, argument: str) -> np.ndarray | None:
        """A constant operand as float64, or None. Raises `ModelError` unless float32 and finite."""
        import torch

        source = arguments(node).get(argument)
        if source is None:
            return None
        tensor = self.constants.get(source.name)
        if tensor is None:
            raise _limit(node, argument, "computed from the input", "a constant")
        if tensor.dtype != torch.float32:
            raise _limit(node, f"{argument} of type", tensor.dtype, "torch.float32; call .float() first")
        if tensor.numel() == 0:
            raise _limit(node, f"zero-size {argument}", tuple(tensor.shape), "at least one element")
        return to_float32(tensor.numpy(), f"{_place(node)}: {argument}").astype(np.float64)

    def required(self, node: torch.fx.Node, argument: str) -> np.ndarray:
        result = self.weight(node, argument)
        if result is None:
            raise _limit(node, "missing", argument, "a constant")
        return result

    def emit(self, node: torch.fx.Node, params: Any, source: Value, shape: tuple[int, ...]) -> Value:
        """Appends a node; returns the value of torch's `shape` that it computes."""
        result = self.fresh(node.name, shape)
        self.append(_node_name(node), params, source.tensor, node.name, _source(node))
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
            raise _limit(node, "input shape", value.shape, "(1, c, h, w)")
        c, h, w = value.shape[-3:]
        wanted = None if c == 1 or h * w == 1 else (c, h, w)
        if value.order != wanted:
            raise _limit(node, "a vector reshaped to an image", (c, h, w), "one channel, or one pixel")
        return self.reshaped(value, (h, w, c), _node_name(node), _source(node)), (c, h, w)

    def overwrite(self, old: Value, new: Value) -> None:
        """After an in-place operation, every view of the old memory has the new content."""
        for name, value in self.values.items():
            if value.storage == old.storage:
                self.values[name] = Value(new.tensor, value.shape, value.order, new.storage)


def arguments(node: torch.fx.Node) -> dict[str, Any]:
    """All arguments by name, defaults included."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    result = {a.name: a.default_value for a in schema if a.has_default_value()}
    result.update({a.name: value for a, value in zip(schema, node.args)})
    return result | dict(node.kwargs)


def _pair(value: Any) -> tuple[int, int]:
    """torch's ``[2]``, ``2`` and ``[2, 3]`` as two integers."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


# --- one handler per family -----------------------------------------------------------------------------


def _linear(importer: _Importer, node: torch.fx.Node) -> Value:
    value, weight = importer.value(node), importer.required(node, "weight")
    inputs = weight.shape[1]
    if math.prod(value.shape) != inputs:
        raise _limit(node, "input shape", value.shape, f"(1, {inputs})")
    if value.order is not None:  # columns from (c, h, w) to (h, w, c) order
        weight = weight.reshape(-1, *value.order).transpose(0, 2, 3, 1).reshape(-1, inputs)
    bias = importer.weight(node, "bias")
    bias = np.zeros(len(weight)) if bias is None else bias
    name = _node_name(node)
    return importer.emit(
        node,
        fp.Linear(to_float32(weight, name), to_float32(bias, name)),
        value,
        (*value.shape[:-1], len(weight)),
    )


def _conv2d(importer: _Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    if a.get("transposed"):
        raise _limit(node, "transposed convolution", "", "Conv2d")
    if _pair(a["dilation"]) != (1, 1):
        raise _limit(node, "dilation", _pair(a["dilation"]), (1, 1))
    value, (c, h, w) = importer.image(node)
    weight = importer.required(node, "weight")
    out, _, kh, kw = weight.shape
    bias = importer.weight(node, "bias")
    bias = to_float32(np.zeros(out) if bias is None else bias, _node_name(node))
    stride, padding = _pair(a["stride"]), _conv_padding(a["padding"], kh, kw)
    params = _conv_params(node, weight, bias, stride, padding, c)
    rows = (h + padding[0] + padding[1] - kh) // stride[0] + 1
    columns = (w + padding[2] + padding[3] - kw) // stride[1] + 1
    return importer.emit(node, params, value, (*value.shape[:-3], out, rows, columns))


def _conv_params(
    node: torch.fx.Node,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    channels: int,
) -> fp.Conv2d | fp.DepthwiseConv2d:
    """From torch's (out, in / groups, kh, kw)."""
    groups = arguments(node)["groups"]
    if groups == 1:
        return fp.Conv2d(to_float32(weight.transpose(0, 2, 3, 1), node.name), bias, stride, padding)
    if groups == channels == len(weight):
        return fp.DepthwiseConv2d(to_float32(weight[:, 0].transpose(1, 2, 0), node.name), bias, stride, padding)
    supported = f"1, or {channels} with {channels} output channels (depthwise)"
    raise _limit(node, "groups", groups, supported)


def _conv_padding(padding: Any, kh: int, kw: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right). "same" puts an odd one at the bottom and right, as torch does."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        return ((kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2)
    top, left = _pair(padding)
    return (top, top, left, left)


def _batch_norm(importer: _Importer, node: torch.fx.Node) -> Value:
    a, value = arguments(node), importer.value(node)
    if a.get("training"):
        raise _limit(node, "training mode", "", "evaluation mode, so call .eval() before the export")
    if len(value.shape) not in (2, 4):
        raise _limit(node, "input shape", value.shape, "(1, features) or (1, c, h, w)")
    variance = importer.required(node, "running_var")
    if (variance + a["eps"] <= 0).any():
        raise _limit(node, "a running variance", "below zero", "positive variances; train it again")
    gamma, beta = importer.weight(node, "weight"), importer.weight(node, "bias")
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + a["eps"])
    offset = (0.0 if beta is None else beta) - importer.required(node, "running_mean") * scale
    if len(value.shape) == 4:
        source, _ = importer.image(node)
        return importer.emit(node, BatchNorm(scale, offset), source, value.shape)
    return _vector_norm(importer, node, value, scale, offset)


def _vector_norm(
    importer: _Importer, node: torch.fx.Node, value: Value, scale: np.ndarray, offset: np.ndarray
) -> Value:
    if value.order is not None:
        scale, offset = (v.reshape(value.order).transpose(1, 2, 0).ravel() for v in (scale, offset))
    source = importer.vector(value, _node_name(node), _source(node))
    result = importer.emit(node, BatchNorm(scale, offset), source, value.shape)
    return Value(result.tensor, result.shape, value.order, result.storage)


def _relu(importer: _Importer, node: torch.fx.Node) -> Value:
    value = importer.value(node)
    importer.storages += 1
    importer.tensors[node.name] = Tensor(node.name, importer.tensors[value.tensor].shape, Float32())
    importer.append(_node_name(node), fp.Relu(), value.tensor, node.name, _source(node))
    result = Value(node.name, value.shape, value.order, importer.storages)
    if _kind(node).endswith("_"):
        importer.overwrite(value, result)
    return result


def _pool_size(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """torch's pooling_output_shape: in ceil mode the last window must start inside the input or its left
    padding (aten/src/ATen/native/Pool.h)."""
    count = (size + 2 * padding - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _pool_geometry(node: torch.fx.Node, h: int, w: int) -> tuple[tuple[int, int], ...]:
    """kernel, stride, padding and output size, each (rows, columns)."""
    a = arguments(node)
    kernel, padding = _pair(a["kernel_size"]), _pair(a["padding"])
    stride = _pair(a["stride"]) if a["stride"] else kernel
    rows, columns = (
        _pool_size(size, kernel[i], stride[i], padding[i], a["ceil_mode"]) for i, size in enumerate((h, w))
    )
    return kernel, stride, padding, (rows, columns)


def _max_pool(importer: _Importer, node: torch.fx.Node) -> Value:
    dilation = _pair(arguments(node)["dilation"])
    if dilation != (1, 1):
        raise _limit(node, "dilation", dilation, (1, 1))
    value, (c, h, w) = importer.image(node)
    kernel, stride, (top, left), out = _pool_geometry(node, h, w)
    params = fp.MaxPool2d(kernel, stride, (top, top, left, left), (out[0], out[1]))
    return importer.emit(node, params, value, (*value.shape[:-3], c, *out))


def _avg_pool(importer: _Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    value, (c, h, w) = importer.image(node)
    kernel, stride, padding, out = _pool_geometry(node, h, w)
    (rows, tall), (cols, wide) = (
        _windows(size, kernel[i], stride[i], padding[i], out[i], a["count_include_pad"])
        for i, size in enumerate((h, w))
    )
    fixed = a["divisor_override"]
    if fixed is not None and fixed < 1:
        raise _limit(node, "divisor_override", fixed, "1 or more")
    divisors = tuple(tuple(fixed or y * x for x in wide) for y in tall)
    return importer.emit(node, fp.AvgPool2d(rows, cols, divisors), value, (*value.shape[:-3], c, *out))


def _windows(
    size: int, kernel: int, stride: int, padding: int, count: int, include_pad: bool
) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Windows clipped to the input along one axis, and how many positions of each the mean counts."""
    starts = [i * stride - padding for i in range(count)]
    windows = tuple((max(s, 0), min(s + kernel, size)) for s in starts)
    padded = (min(s + kernel, size + padding) - s for s in starts)
    return windows, tuple(padded) if include_pad else tuple(stop - start for start, stop in windows)


def _adaptive_avg_pool(importer: _Importer, node: torch.fx.Node) -> Value:
    value, (c, h, w) = importer.image(node)
    out = _pair(arguments(node)["output_size"])
    rows, cols = (tuple((i * size // n, -((i + 1) * size // -n)) for i in range(n)) for size, n in zip((h, w), out))
    divisors = tuple(tuple((r[1] - r[0]) * (s[1] - s[0]) for s in cols) for r in rows)
    return importer.emit(node, fp.AvgPool2d(rows, cols, divisors), value, (*value.shape[:-3], c, *out))


def _reshape(importer: _Importer, node: torch.fx.Node) -> Value:
    """A view with the elements in the same order; costs nothing."""
    value = importer.value(node)
    return Value(value.tensor, tuple(node.meta["val"].shape), value.order, value.storage)


def _drop(importer: _Importer, node: torch.fx.Node) -> Value:
    value, a = importer.value(node), arguments(node)
    if a.get("train") and a.get("p"):
        raise _limit(node, "training mode", "", "evaluation mode, so call .eval() before the export")
    if a.get("dtype") is not None:
        raise _unsupported(node)
    if _kind(node) == "clone":  # its own memory
        importer.storages += 1
        return Value(value.tensor, value.shape, value.order, importer.storages)
    return value


def _item(importer: _Importer, node: torch.fx.Node) -> Value:
    """The first result of an operation with several; the others (indices, statistics) are not supported."""
    source, index = node.args
    if index != 0:
        raise _unsupported(source)  # type: ignore[arg-type]
    return importer.values[source.name]  # type: ignore[union-attr,index]


_RESHAPES = frozenset(["flatten", "view", "reshape", "_unsafe_view", "unflatten", "squeeze", "unsqueeze"])
_DROPPED = frozenset(
    ["dropout", "dropout_", "feature_dropout", "alpha_dropout", "clone", "contiguous", "detach", "alias"]
)
_HANDLERS: dict[str, Callable[[_Importer, torch.fx.Node], Value]] = {
    "linear": _linear,
    "conv2d": _conv2d,
    "convolution": _conv2d,
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "relu": _relu,
    "relu_": _relu,
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _adaptive_avg_pool,
    "_adaptive_avg_pool2d": _adaptive_avg_pool,
    str(operator.getitem): _item,
    **dict.fromkeys(_RESHAPES, _reshape),
    **dict.fromkeys(_DROPPED, _drop),
}
