"""Small ``.tflite`` files, made with the schema's own builder: what the front end's tests read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite


@dataclass(frozen=True, eq=False)
class FileTensor:
    """`shape` includes the batch. `scale` and `zero_point` are empty for tensors without quantization."""

    shape: tuple[int, ...]
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
    type: str = "INT8"
    data: np.ndarray | None = None
    axis: int = 0
    signature: tuple[int, ...] | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class FileOperator:
    """`options` are the fields of the table `kind` by their names in CamelCase."""

    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kind: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    custom: str = ""


def activation(shape: tuple[int, ...], scale: float, zero_point: int) -> FileTensor:
    """An int8 tensor with one scale."""
    return FileTensor((1, *shape), (scale,), (zero_point,))


def constant(data: np.ndarray, scale: tuple[float, ...] = (), axis: int = 0) -> FileTensor:
    """Constant `data` with symmetric scales."""
    kind = {"int8": "INT8", "int32": "INT32", "uint8": "UINT8", "float32": "FLOAT32"}[data.dtype.name]
    return FileTensor(data.shape, scale, (0,) * len(scale), kind, data, axis)


def _table(b: flatbuffers.Builder, kind: str, **fields: Any) -> int:
    getattr(tflite, f"{kind}Start")(b)
    for name, value in fields.items():
        if value is not None:
            getattr(tflite, f"{kind}Add{name}")(b, value)
    return int(getattr(tflite, f"{kind}End")(b))


def _offsets(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _numbers(b: flatbuffers.Builder, values: tuple[int, ...] | None, dtype: str = "<i4") -> int | None:
    return None if values is None else int(b.CreateNumpyVector(np.array(values, dtype)))


def _tensor(b: flatbuffers.Builder, t: FileTensor, index: int, buffer: int) -> int:
    quantization = None
    if t.scale:
        scale, zero_point = _numbers(b, t.scale, "<f4"), _numbers(b, t.zero_point, "<i8")
        quantization = _table(b, "QuantizationParameters", Scale=scale, ZeroPoint=zero_point, QuantizedDimension=t.axis)
    name, shape, signature = b.CreateString(t.name or f"tensor{index}"), _numbers(b, t.shape), _numbers(b, t.signature)
    return _table(b, "Tensor", Shape=shape, Type=getattr(tflite.TensorType, t.type), Buffer=buffer, Name=name,
                  Quantization=quantization, ShapeSignature=signature)  # fmt: skip


def _operator(b: flatbuffers.Builder, op: FileOperator, code: int) -> int:
    options, kind = None, 0
    if op.kind:
        fields = {k: _numbers(b, v) if isinstance(v, tuple) else v for k, v in op.options.items()}
        options, kind = _table(b, op.kind, **fields), getattr(tflite.BuiltinOptions, op.kind)
    inputs, outputs = _numbers(b, op.inputs), _numbers(b, op.outputs)
    return _table(b, "Operator", OpcodeIndex=code, Inputs=inputs, Outputs=outputs,
                  BuiltinOptionsType=kind, BuiltinOptions=options)  # fmt: skip


def _code(b: flatbuffers.Builder, op: FileOperator) -> int:
    custom = b.CreateString(op.custom) if op.custom else None
    number = getattr(tflite.BuiltinOperator, op.code)
    return _table(b, "OperatorCode", DeprecatedBuiltinCode=min(number, 127), BuiltinCode=number, Version=1,
                  CustomCode=custom)  # fmt: skip


def _signature(b: flatbuffers.Builder, inputs: dict[str, int], outputs: dict[str, int]) -> int:
    def maps(ports: dict[str, int]) -> int:
        names = [b.CreateString(name) for name in ports]
        tables = [_table(b, "TensorMap", Name=n, TensorIndex=index) for n, index in zip(names, ports.values())]
        return _offsets(b, tables)

    key, first, last = b.CreateString("serving_default"), maps(inputs), maps(outputs)
    return _table(b, "SignatureDef", Inputs=first, Outputs=last, SignatureKey=key, SubgraphIndex=0)


def tflite_file(
    tensors: list[FileTensor], operators: list[FileOperator], inputs: tuple[int, ...], outputs: tuple[int, ...],
    signature: tuple[dict[str, int], dict[str, int]] | None = None,
) -> bytes:  # fmt: skip
    """The file's bytes. Constant tensors sharing one array share one buffer. `signature` has the names of inputs and outputs
    with their tensors."""
    b = flatbuffers.Builder(1024)
    arrays = list({id(t.data): t.data for t in tensors if t.data is not None}.values())
    buffers = [_table(b, "Buffer")]
    for array in arrays:
        content = b.CreateNumpyVector(np.ascontiguousarray(array).view(np.uint8).ravel())
        buffers.append(_table(b, "Buffer", Data=content))
    place = {id(array): i + 1 for i, array in enumerate(arrays)}
    offsets = [_tensor(b, t, i, place.get(id(t.data), 0)) for i, t in enumerate(tensors)]
    operator_offsets = [_operator(b, op, i) for i, op in enumerate(operators)]
    name = b.CreateString("main")
    ends = _numbers(b, inputs), _numbers(b, outputs)
    tensor_vector, operator_vector = _offsets(b, offsets), _offsets(b, operator_offsets)
    graph = _table(b, "SubGraph", Tensors=tensor_vector, Inputs=ends[0], Outputs=ends[1],
                   Operators=operator_vector, Name=name)  # fmt: skip
    codes, graphs = _offsets(b, [_code(b, op) for op in operators]), _offsets(b, [graph])
    description, buffer_vector = b.CreateString("test"), _offsets(b, buffers)
    signatures = None if signature is None else _offsets(b, [_signature(b, *signature)])
    b.Finish(
        _table(b, "Model", Version=3, SignatureDefs=signatures, OperatorCodes=codes, Subgraphs=graphs, Description=description,
               Buffers=buffer_vector),
        b"TFL3",
    )  # fmt: skip
    return bytes(b.Output())
