"""Builds the float graph of an ONNX model, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from cpcc.archive.text import show
from cpcc.errors import ModelError
from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.onnx.folding import MAX_BYTES, fold
from cpcc.frontends.onnx.operator import Operator, read_operator
from cpcc.frontends.onnx.tensors import QuantizedConstant, read_tensor, static_shape, type_name
from cpcc.graph import Int8
from cpcc.passes.batch_norm import to_float32

MAX_ELEMENTS = 2**24  # of a tensor that is computed
_LINEAR = ("QuantizeLinear", "DequantizeLinear")
_MOVES = ("Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")
Handler = Callable[["Importer", Operator], "Value | Sequence[Value | None]"]


@dataclass
class Importer(GraphBuilder):
    """Builds the graph. `values` are what the samples' values become; `constants` are computed already and `stored` lie in
    the file; `quantized` are constants behind a DequantizeLinear, `integers_of` the types of activations behind a QuantizeLinear; `shapes` are those that onnx infers; `read` are the names
    that a live node or an output reads; `ports` names the graph's inputs by the file's."""

    opset: int = field(kw_only=True)
    handlers: Mapping[str, Handler] = field(kw_only=True)
    stored: dict[str, onnx.TensorProto] = field(kw_only=True)
    shapes: dict[str, tuple[int, ...] | None] = field(kw_only=True)
    read: set[str] = field(kw_only=True)
    ports: dict[str, str] = field(kw_only=True)
    dropped: int = field(default=-1, kw_only=True)  # index of a final activation that a detector does without
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    quantized: dict[str, QuantizedConstant] = field(default_factory=dict)
    integers_of: dict[str, Int8] = field(default_factory=dict)
    folded_bytes: int = 0

    def add_input(self, info: onnx.ValueInfoProto, batch: bool) -> None:
        """An input of float32. With `batch` its first axis must be 1."""
        kind, shape = type_name(info), static_shape(info)
        name, tensor = show(info.name), self.ports[info.name]
        if kind != "float32":
            raise ModelError(f"{self.name}: input {name} is {kind}; supported: float32")
        if shape is None:
            raise ModelError(
                f"{self.name}: input {name} has a dynamic shape; supported: a fixed one, where only the batch may be "
                "dynamic, so export without dynamic axes or use onnx.tools.update_model_dims"
            )
        usual = len(shape) in (2, 3, 4) and shape[0] == 1
        if not shape or min(shape) < 1 or math.prod(shape) > MAX_ELEMENTS or (batch and not usual):
            raise ModelError(
                f"{self.name}: input {name} has the shape {shape}; supported: (1, features), (1, c, length) or "
                "(1, c, h, w), so export with a batch of 1 or a dynamic one"
            )
        self.inputs.append(tensor)
        self.values[info.name] = self._input_value(tensor, shape)

    def _input_value(self, tensor: str, shape: tuple[int, ...]) -> Value:
        """An image channels-last, where (1, c, length) is one a row high; anything else as a vector."""
        if len(shape) in (3, 4) and shape[0] == 1:
            sizes = (shape[1], 1, shape[2]) if len(shape) == 3 else shape[1:]
            return self.fresh(tensor, shape, sizes, (1, 2, 0))
        return self.fresh(tensor, shape, (math.prod(shape),), (0,))

    def add_results(self, infos: Sequence[onnx.ValueInfoProto], names: Sequence[str]) -> None:
        """The outputs, several of them called `names`."""
        values = [self.values.get(info.name) for info in infos]
        for info, value in zip(infos, values):
            if value is None:
                raise ModelError(f"{self.name}: output {show(info.name)} does not depend on the input")
        self.add_outputs([value for value in values if value is not None], names)

    def visit(self, node: onnx.NodeProto, index: int) -> None:
        op = read_operator(node, index, self.opset)
        known = [name for name in op.inputs if name]
        if op.type in ("Shape", "Size") and known and known[0] in self.values:
            self._measure(op)
        elif op.type in _LINEAR:
            self._call(op)
        elif op.type == "Transpose" and known and known[0] in self.quantized:
            self.quantized[op.outputs[0]] = self.quantized[known[0]].transposed(op)
        elif all(self.is_constant(name) for name in known):
            self._fold(op)
        else:
            self._call(op)

    def _measure(self, op: Operator) -> None:
        """Shapes are fixed here, so asking for one gives a constant."""
        shape = self.values[op.inputs[0]].shape
        if op.type == "Size":
            self.constants[op.outputs[0]] = np.array(math.prod(shape), np.int64)
            return
        start, end = op.attributes.get("start", 0), op.attributes.get("end", len(shape))
        self.constants[op.outputs[0]] = np.array(shape[start:end], np.int64)

    def _fold(self, op: Operator) -> None:
        if op.type == "Constant":
            results = [constant_of(op)]
        else:
            inputs = [self.array(op, name) for name in op.inputs if name]
            results = fold(op, inputs, MAX_BYTES - self.folded_bytes)
        for name, result in zip(op.outputs, results):
            self.folded_bytes += result.nbytes
            self.constants[name] = result

    def _call(self, op: Operator) -> None:
        handler = self.handlers.get(op.type)
        if handler is None:
            raise op.unsupported(", ".join(sorted(self.handlers)))
        typed = {self.integers_of[name] for name in op.inputs if name in self.integers_of}
        if typed and op.type not in (*_MOVES, *_LINEAR):
            raise op.refuse("integers as", "an operand", f"{', '.join(_MOVES)}, or a DequantizeLinear before it")
        result = handler(self, op)
        for name, value in zip(op.outputs, [result] if isinstance(result, Value) else result):
            if value is None or not name:
                continue
            inferred = self.shapes.get(name)
            if inferred is not None and inferred != value.shape:
                raise ModelError(f"{op.place}: shape {inferred} inferred, {value.shape} computed")
            if min(value.shape, default=1) < 1 or math.prod(value.shape) > MAX_ELEMENTS:
                raise op.refuse("a result of shape", value.shape, f"1 to {MAX_ELEMENTS:,} elements")
            self.values[name] = value
            if typed and op.type in _MOVES:
                self.integers_of[name] = next(iter(typed))

    # operands

    def is_constant(self, name: str) -> bool:
        return name in self.constants or name in self.stored or name in self.quantized

    def has_constant(self, op: Operator, operand: int) -> bool:
        """Whether the operand is there, and a constant."""
        return self.has(op, operand) and self.is_constant(op.inputs[operand])

    def has(self, op: Operator, operand: int) -> bool:
        return operand < len(op.inputs) and op.inputs[operand] != ""

    def value(self, op: Operator, operand: int = 0) -> Value:
        """What the operand stands for. Raises `ModelError` where it is a constant."""
        if not self.has(op, operand):
            raise op.refuse("operand", operand, "an operand that is there")
        value = self.values.get(op.inputs[operand])
        if value is None:
            raise op.refuse("a constant as operand", operand, "what an operator before it computes")
        return value

    def array(self, op: Operator, name: str) -> np.ndarray:
        """The constant `name`, of any supported type."""
        if name not in self.constants and name in self.quantized:
            return self.quantized[name].real
        if name not in self.constants:
            stored = self.stored.get(name)
            if stored is None:
                raise op.refuse("the computed operand", show(name), "a constant")
            self.constants[name] = read_tensor(stored, op.place)
        return self.constants[name]

    def weights(self, op: Operator, operand: int, what: str) -> np.ndarray:
        """A constant operand as float64. Raises `ModelError` unless it is float32, finite and not empty."""
        array = self.array(op, op.inputs[operand])
        if array.dtype not in (np.float32, np.float64) or (
            array.dtype == np.float64 and op.inputs[operand] not in self.quantized
        ):
            raise op.refuse(f"{what} of type", array.dtype.name, "float32")
        if not array.size:
            raise op.refuse(f"zero-size {what}", array.shape, "at least one element")
        if array.dtype == np.float32:
            to_float32(array, f"{op.place}: {what}")
        return array.astype(np.float64)

    def scales(self, op: Operator, operand: int, axis: int) -> np.ndarray | None:
        """The scale per output (k,), or of one (1,), that the file prescribes for constant weights whose outputs lie along
        `axis`; None where they are float."""
        found = self.quantized.get(op.inputs[operand])
        return None if found is None else found.scales_along(op, axis)

    def integers(self, op: Operator, operand: int, attribute: str) -> tuple[int, ...] | None:
        """Integers from a constant operand or, as older opsets have it, from an attribute; None where there are none."""
        if self.has(op, operand):
            array = self.array(op, op.inputs[operand])
            if array.dtype.kind not in "iu" or array.size > 64:
                raise op.refuse(f"{attribute} of type", array.dtype.name, "up to 64 integers")
            return tuple(int(v) for v in array.ravel())
        own = op.attributes.get(attribute)
        return None if own is None else tuple(own) if isinstance(own, tuple) else (int(own),)


def constant_of(op: Operator) -> np.ndarray:
    """What a Constant node holds."""
    own = {a.name for a in op.node.attribute}
    for name, dtype in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if name in own:
            return np.array(op.attributes[name], dtype)
    if "value" not in own:
        raise op.refuse("a constant of", ", ".join(sorted(own)) or "nothing", "value, value_float(s), value_int(s)")
    return read_tensor(op.attributes["value"], op.place)


def axis_of(op: Operator, axis: int, rank: int) -> int:
    """`axis` counted from the front. Raises `ModelError` where there is none such."""
    if not -rank <= axis < rank:
        raise op.refuse("axis", axis, f"{-rank} to {rank - 1}")
    return axis % rank
