"""What an operator's handler works with: it looks tensors up, checks their types, and appends nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cpcc.errors import ModelError
from cpcc.frontends.tflite.schema import DTYPES, Model, Operator, TensorInfo
from cpcc.graph import Int8, Int16, Integer, Node, Tensor
from cpcc.ops.float_params import Reshape

INTEGER_ONLY = (
    "convert with full integer quantization (optimizations = [Optimize.DEFAULT], a representative_dataset, "
    "target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8])"
)
BADLY_SCALED = "quantize the model again with representative data"


@dataclass
class Builder:
    """The graph being made of `model`. `names` maps tensor indices of the file to tensors of the graph; `read` are the tensors
    that some operator or the caller reads."""

    model: Model
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    read: frozenset[int] = frozenset()

    def info(self, op: Operator, operand: int) -> TensorInfo:
        """The tensor of input `operand`. Raises `ModelError` where it is missing."""
        if operand >= len(op.inputs) or op.inputs[operand] < 0:
            raise ModelError(f"{op.place}: input {operand} is missing; export the model again")
        return self.model.tensors[op.inputs[operand]]

    def outputs(self, op: Operator) -> list[TensorInfo]:
        """The tensors of all outputs. Raises `ModelError` where one is missing."""
        if not op.outputs or min(op.outputs) < 0:
            raise ModelError(f"{op.place}: an output is missing; export the model again")
        return [self.model.tensors[i] for i in op.outputs]

    def output(self, op: Operator) -> TensorInfo:
        if len(op.outputs) != 1 or op.outputs[0] < 0:
            raise ModelError(f"{op.place}: {len(op.outputs)} outputs; supported: 1")
        return self.model.tensors[op.outputs[0]]

    def value(self, op: Operator, operand: int) -> Tensor:
        """The graph's tensor of input `operand`. Raises `ModelError` where it is a constant or of an unknown type."""
        info = self.info(op, operand)
        if info.index not in self.names:
            what = "a constant" if info.data is not None else "computed by nothing"
            raise ModelError(f"{op.place}: input {operand} ({info.name}) is {what}; supported: a computed tensor")
        return self.tensors[self.names[info.index]]

    def values(self, op: Operator) -> tuple[Tensor, ...]:
        """The graph's tensors of all inputs, at least one."""
        return tuple(self.value(op, i) for i in range(max(1, len(op.inputs))))

    def constant(self, op: Operator, operand: int, kind: str) -> np.ndarray:
        """The array of constant input `operand`, of the schema's type `kind`."""
        info = self.info(op, operand)
        if info.data is None:
            raise ModelError(f"{op.place}: input {operand} ({info.name}) is computed; supported: a constant")
        if info.type != kind:
            raise ModelError(f"{op.place}: input {operand} ({info.name}) is {info.type}; supported: {kind}")
        return info.data.astype(DTYPES[kind])

    def has(self, op: Operator, operand: int) -> bool:
        return operand < len(op.inputs) and op.inputs[operand] >= 0

    def add(self, op: Operator, params: Any, inputs: tuple[Tensor, ...], number: int | None = None) -> Tensor:
        """Append the node that computes the operator's output, of several the one with this `number`, from the graph's tensors
        `inputs`."""
        info = self.output(op) if number is None else self.outputs(op)[number]
        name = f"{op.code.lower()}_{op.index}" + ("" if number is None else f"_{number}")
        tensor = Tensor(name, without_batch(op.place, info), activation_type(op.place, info))
        self.names[info.index] = name
        return self._append(name, params, inputs, tensor, f"{op.place}, {info.name}")

    def step(self, op: Operator, what: str, params: Any, inputs: tuple[Tensor, ...], tensor: Tensor) -> Tensor:
        """Append a node that computes something on the way to the operator's output, named after it and `what`."""
        name = f"{op.code.lower()}_{op.index}_{what}"
        return self._append(name, params, inputs, Tensor(name, tensor.shape, tensor.type), op.place)

    def _append(self, name: str, params: Any, inputs: tuple[Tensor, ...], tensor: Tensor, source: str) -> Tensor:
        self.tensors[tensor.name] = tensor
        self.nodes.append(Node(name, params, tuple(t.name for t in inputs), tensor.name, source))
        return tensor

    def reshaped(self, op: Operator, what: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`x` under another shape, on the way to the operator's output."""
        return self.step(op, what, Reshape(shape), (x,), Tensor("", shape, x.type))

    def add_reshape(self, op: Operator, x: Tensor) -> Tensor:
        """The operator's output is `x` under its own shape."""
        return self.add(op, Reshape(without_batch(op.place, self.output(op))), (x,))

    def named(self, name: str, x: Tensor) -> str:
        """`x` as the tensor `name`, which shares its memory."""
        return self._append(f"output.{name}", Reshape(x.shape), (x,), Tensor(name, x.shape, x.type), "").name

    def alias(self, op: Operator, tensor: Tensor) -> None:
        """The operator changes nothing: its output is `tensor`."""
        self.names[self.output(op).index] = tensor.name


def without_batch(place: str, info: TensorInfo) -> tuple[int, ...]:
    """The tensor's shape for one sample. Raises `ModelError` where the batch is not 1 or the shape not fixed."""
    if info.dynamic:
        raise ModelError(f"{place}: tensor {info.name} has a dynamic shape; convert with a fixed input shape")
    if not info.shape or info.shape[0] != 1:
        raise ModelError(f"{place}: tensor {info.name} has the shape {info.shape}; supported: a batch of 1 first")
    if min(info.shape) < 1:
        raise ModelError(f"{place}: tensor {info.name} has the empty shape {info.shape}; supported: 1 and more")
    return info.shape[1:] or (1,)


def int8_type(place: str, info: TensorInfo) -> Int8:
    """The quantization of an int8 activation. Raises `ModelError` on any other type."""
    if info.type == "UINT8":
        raise ModelError(
            f"{place}: tensor {info.name} is UINT8, the legacy quantization; supported: INT8; {INTEGER_ONLY}"
        )
    if info.type != "INT8":
        raise ModelError(f"{place}: tensor {info.name} is {info.type}; supported: INT8; {INTEGER_ONLY}")
    q = info.quantization
    if q is None or len(q.scale) != 1:
        raise ModelError(f"{place}: tensor {info.name} has no scale of its own; supported: one per activation tensor")
    zero_point = int(q.zero_point[0])
    if not -128 <= zero_point <= 127:
        raise ModelError(f"{place}: tensor {info.name} has the zero point {zero_point}; supported: -128 to 127")
    return Int8(float(q.scale[0]), zero_point)


def activation_type(place: str, info: TensorInfo) -> Integer:
    """The quantization of an int8 or int16 activation. Raises `ModelError` on any other type."""
    if info.type != "INT16":
        return int8_type(place, info)
    q = info.quantization
    if q is None or len(q.scale) != 1 or q.zero_point[0] != 0:
        raise ModelError(
            f"{place}: tensor {info.name} is INT16 without one scale and the zero point 0; convert it again"
        )
    return Int16(float(q.scale[0]))


@dataclass(frozen=True)
class Handler:
    """How an operator becomes nodes. `values` are the inputs that hold samples' values; None: all. `int16` says whether these
    may be int16."""

    build: Callable[[Builder, Operator], None]
    values: int | None = 1
    int16: bool = False

    def value_inputs(self, op: Operator) -> tuple[int, ...]:
        return op.inputs if self.values is None else op.inputs[: self.values]
