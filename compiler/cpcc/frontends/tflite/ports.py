"""The file's inputs and outputs: their names, and the conversions at either end that are left to the caller."""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.frontends import ports
from cpcc.frontends.tflite.schema import Model, Operator, TensorInfo

PREFIX = "serving_default_"  # what TensorFlow's converter writes before an input's name


@dataclass(frozen=True, eq=False)
class End:
    """`tensor` is an int8 input or output of the graph; `dtype` the type of the file's own, before or behind a conversion."""

    tensor: TensorInfo
    dtype: str


def input_names(model: Model) -> tuple[str, ...]:
    """Names of the inputs; of the only one always the same."""
    return ("input",) if len(model.inputs) == 1 else ports.input_names([_name(model, i) for i in model.inputs])


def names_of_outputs(model: Model) -> list[str]:
    """Names of the outputs, not yet told apart from other tensors."""
    return [_name(model, i) for i in model.outputs]


def _name(model: Model, index: int) -> str:
    """The signature's name, or the tensor's without what the converter puts around it: `serving_default_x:0` gives `x`."""
    return model.signature.get(index) or model.tensors[index].name.removeprefix(PREFIX).partition(":")[0]


def begin(model: Model, index: int, live: list[Operator]) -> tuple[End, list[Operator]]:
    """(the input's first int8 tensor, the operators after it). A QUANTIZE of the input becomes the conversion of raw
    samples."""
    info = model.tensors[index]
    readers = [op for op in live if info.index in op.inputs]
    if info.type in ("FLOAT32", "UINT8") and len(readers) == 1 and readers[0].code == "QUANTIZE":
        first = model.tensors[readers[0].outputs[0]]
        if info.type == "FLOAT32" or _is_uint8_twin(info, first):
            return End(first, info.type.lower()), [op for op in live if op is not readers[0]]
    return End(info, "int16" if info.type == "INT16" else "int8"), live


def end(model: Model, index: int, live: list[Operator]) -> tuple[End, list[Operator]]:
    """(the output's last int8 tensor, the operators up to it): a DEQUANTIZE, or a QUANTIZE to uint8, of the output is left to
    the caller."""
    info = model.tensors[index]
    writers = [op for op in live if info.index in op.outputs]
    read = any(info.index in op.inputs for op in live)
    if len(writers) == 1 and not read and writers[0].inputs and writers[0].inputs[0] >= 0:
        before = model.tensors[writers[0].inputs[0]]
        dequantized = info.type == "FLOAT32" and writers[0].code == "DEQUANTIZE"
        if dequantized or (info.type == "UINT8" and writers[0].code == "QUANTIZE" and _is_uint8_twin(info, before)):
            return End(before, info.type.lower()), [op for op in live if op is not writers[0]]
    return End(info, "int16" if info.type == "INT16" else "int8"), live


def _is_uint8_twin(raw: TensorInfo, q: TensorInfo) -> bool:
    """Whether `raw` uint8 is `q` int8 plus 128."""
    a, b = raw.quantization, q.quantization
    return a is not None and b is not None and len(a.scale) == len(b.scale) == 1 and (
        a.scale[0] == b.scale[0] and a.zero_point[0] == b.zero_point[0] + 128
    )  # fmt: skip
