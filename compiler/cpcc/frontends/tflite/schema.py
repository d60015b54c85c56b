"""A ``.tflite`` file as plain, checked data. Nothing in it is executed; every index and length is checked here.

The layout of the file is known to the `tflite` package: the classes that flatbuffers' compiler generates from
tensorflow/lite/schema/schema.fbs, with no other dependency than flatbuffers and numpy.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import tflite

from cpcc.errors import ModelError
from cpcc.names import printable

IDENTIFIER = b"TFL3"
MAX_ELEMENTS = 2**24  # of a tensor: sixteen times the RAM of the largest target
MAX_RANK = 6
# What flatbuffers and numpy raise where an offset or a length of a damaged file leads out of it.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError)

TYPES = {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
OPERATORS = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
OPTIONS = {v: k for k, v in vars(tflite.BuiltinOptions).items() if isinstance(v, int)}
DTYPES = {"INT8": np.int8, "UINT8": np.uint8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
          "FLOAT32": np.float32, "BOOL": np.bool_}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Quantization:
    """`scale` float32 and `zero_point` int64, one each, or one per index of dimension `axis`."""

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int


@dataclass(frozen=True, eq=False)
class TensorInfo:
    """`shape` includes the batch; `dynamic` dimensions are written 1. `data` is what a constant tensor holds."""

    index: int
    name: str
    shape: tuple[int, ...]
    dynamic: bool
    type: str
    quantization: Quantization | None
    data: np.ndarray | None
    variable: bool


@dataclass(frozen=True, eq=False)
class Operator:
    """`inputs` and `outputs` are tensor indices, -1 where an optional input is absent; `options` the table of the kind
    `options_kind`, still in the file."""

    index: int
    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_kind: str
    options: Any

    @property
    def place(self) -> str:
        return f"operator {self.index} ({self.code})"


@dataclass(frozen=True, eq=False)
class Model:
    """The only subgraph of a file. `signature` holds the names that the file gives its inputs and outputs, where it does."""

    tensors: tuple[TensorInfo, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signature: dict[int, str]


def read_model(data: bytes, name: str) -> Model:
    """The model in `data`. Raises `ModelError` where the file is damaged or not one."""
    if len(data) < 8 or data[4:8] != IDENTIFIER:
        raise ModelError(f"{name}: not a .tflite model (no {IDENTIFIER.decode()} mark at byte 4); export it again")
    return _guarded(name, lambda: _read(data, name))


T = TypeVar("T")


def _guarded(place: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except _DAMAGE as error:
        raise ModelError(
            f"{place}: damaged ({type(error).__name__}: {printable(str(error))}); export it again"
        ) from error


def _read(data: bytes, name: str) -> Model:
    model = tflite.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() != 1:
        raise ModelError(f"{name}: {model.SubgraphsLength()} subgraphs; supported: 1 (no control flow)")
    graph = model.Subgraphs(0)
    codes = [_code(model.OperatorCodes(i)) for i in range(_count(model.OperatorCodesLength(), data))]
    tensors = tuple(_tensor(model, graph.Tensors(i), i, name) for i in range(_count(graph.TensorsLength(), data)))
    operators = tuple(
        _operator(graph.Operators(i), i, codes, len(tensors)) for i in range(_count(graph.OperatorsLength(), data))
    )
    ends = [_indices(v, len(tensors)) for v in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())]
    return Model(tensors, operators, ends[0], ends[1], _signature(model, data, len(tensors)))


def _signature(model: Any, data: bytes, tensors: int) -> dict[int, str]:
    """Names by tensor, of the first signature."""
    if not model.SignatureDefsLength():
        return {}
    first = model.SignatureDefs(0)
    maps = [first.Inputs(i) for i in range(_count(first.InputsLength(), data))]
    maps += [first.Outputs(i) for i in range(_count(first.OutputsLength(), data))]
    return {
        m.TensorIndex(): printable((m.Name() or b"").decode("utf-8", "replace"))
        for m in maps
        if m.TensorIndex() < tensors
    }


def _count(length: int, data: bytes) -> int:
    """`length` of a vector of offsets, which cannot exceed the file."""
    if length * 4 > len(data):
        raise ValueError(f"a list of {length} entries")
    return length


def _code(code: Any) -> str:
    """Name of an operator. Old files keep it in one byte, which newer ones set to 127 at most."""
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if OPERATORS.get(number) == "CUSTOM":
        custom = code.CustomCode()
        return f"CUSTOM {printable(custom.decode('utf-8', 'replace'))}" if custom else "CUSTOM"
    return OPERATORS.get(number, f"builtin operator {number}")


def _indices(vector: Any, count: int) -> tuple[int, ...]:
    """Tensor indices of a vector; an absent one is 0 in the generated code."""
    values = () if isinstance(vector, int) else tuple(int(v) for v in vector)
    for value in values:
        if not -1 <= value < count:
            raise ValueError(f"tensor {value} of {count}")
    return values


def _operator(op: Any, index: int, codes: list[str], tensors: int) -> Operator:
    inputs, outputs = (_indices(v, tensors) for v in (op.InputsAsNumpy(), op.OutputsAsNumpy()))
    kind = OPTIONS.get(op.BuiltinOptionsType(), "unknown")
    return Operator(index, codes[op.OpcodeIndex()], inputs, outputs, kind, op.BuiltinOptions())


def _tensor(model: Any, tensor: Any, index: int, name: str) -> TensorInfo:
    label = printable((tensor.Name() or b"").decode("utf-8", "replace")) or f"tensor {index}"
    declared = [] if tensor.ShapeIsNone() else tensor.ShapeAsNumpy().tolist()
    signature = declared if tensor.ShapeSignatureIsNone() else tensor.ShapeSignatureAsNumpy().tolist()
    shape = tuple(int(n) for n in declared)
    size = int(np.prod(np.array(shape, np.float64)))  # float: no overflow
    if len(shape) > MAX_RANK or size > MAX_ELEMENTS or any(n < -1 for n in shape):
        raise ModelError(
            f"{name}: tensor {index} ({label}) has the shape {shape}; "
            f"supported: up to {MAX_RANK} dimensions and {MAX_ELEMENTS:,} elements"
        )
    kind = TYPES.get(tensor.Type(), f"type {tensor.Type()}")
    if tensor.Sparsity() is not None:
        raise ModelError(
            f"{name}: tensor {index} ({label}) is stored sparse; supported: dense; convert without sparsity"
        )
    constant = _constant(model.Buffers(tensor.Buffer()), kind, shape)
    return TensorInfo(
        index, label, tuple(max(n, 1) if n == -1 else n for n in shape), any(n == -1 for n in signature[1:]), kind,
        _quantization(tensor.Quantization(), len(shape)), constant, bool(tensor.IsVariable()),
    )  # fmt: skip


def _constant(buffer: Any, kind: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if buffer.DataIsNone() or not buffer.DataLength():
        return None
    raw = buffer.DataAsNumpy()
    if kind not in DTYPES:
        return np.asarray(raw)
    return np.frombuffer(raw.tobytes(), np.dtype(DTYPES[kind]).newbyteorder("<")).reshape(shape)


def _quantization(table: Any, rank: int) -> Quantization | None:
    if table is None or table.ScaleIsNone() or not table.ScaleLength():
        return None
    scale = np.array(table.ScaleAsNumpy(), np.float32)
    zero_point = np.zeros(len(scale), np.int64)
    if not table.ZeroPointIsNone() and table.ZeroPointLength():
        zero_point = np.array(table.ZeroPointAsNumpy(), np.int64)
    if len(zero_point) not in (1, len(scale)):
        raise ValueError(f"{len(scale)} scales, {len(zero_point)} zero points")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("a scale is not a positive finite number")
    axis = table.QuantizedDimension()
    if not 0 <= axis < max(rank, 1):
        raise ValueError(f"quantized dimension {axis} of {rank}")
    return Quantization(scale, np.broadcast_to(zero_point, scale.shape), axis)


def read_options(op: Operator, kind: type[T]) -> T:
    """The operator's options as the frozen dataclass `kind`, named as in the schema: ``stride_h`` is read by StrideH().

    Raises `ModelError` where the operator carries options of another operator."""
    expected = kind.__name__
    if op.options is None or op.options_kind != expected:
        raise ModelError(
            f"{op.place}: carries options of the kind {op.options_kind}, expected {expected}; export it again"
        )

    def read() -> T:
        table = getattr(tflite, expected)()
        table.Init(op.options.Bytes, op.options.Pos)
        names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
        return kind(**{name: getattr(table, _camel(name))() for name in names})

    return _guarded(op.place, read)


def _camel(name: str) -> str:
    return re.sub("(?:^|_)([a-z0-9])", lambda match: match.group(1).upper(), name)
