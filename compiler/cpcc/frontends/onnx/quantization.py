"""QuantizeLinear and DequantizeLinear: of weights, the file's own integers; of activations, the type of a tensor."""

from __future__ import annotations

import numpy as np

from cpcc.frontends.channels_first.activations import activate
from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer, axis_of
from cpcc.frontends.onnx.operator import Operator
from cpcc.frontends.onnx.tensors import QuantizedConstant
from cpcc.graph import Int8
from cpcc.quant.prescribed import FakeQuantize

ACTIVATIONS, WEIGHTS = ("int8", "uint8"), ("int8", "uint8", "int32")


def _scale(importer: Importer, op: Operator) -> np.ndarray:
    """float64 (k,) of the file's float32 scales."""
    scale = importer.array(op, op.inputs[1])
    if scale.dtype != np.float32 or scale.ndim > 1 or not scale.size:
        raise op.refuse("a scale of", f"{scale.dtype.name} {scale.shape}", "float32, one or one per index of an axis")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise op.refuse("a scale", "that is not a positive finite number", "positive scales; quantize the model again")
    return scale.astype(np.float64).reshape(-1)


def _zero_point(importer: Importer, op: Operator, known: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """(int64 (k,), type of the integers); without an operand it is 0, of the type that the schema says."""
    if not importer.has(op, 2):
        return np.zeros(1, np.int64), ""
    zero_point = importer.array(op, op.inputs[2])
    if zero_point.dtype.name not in known or zero_point.ndim > 1:
        raise op.refuse("integers of type", zero_point.dtype.name, f"{', '.join(known)} (QuantType.QInt8 or QUInt8)")
    return zero_point.astype(np.int64).reshape(-1), zero_point.dtype.name


def _kind(importer: Importer, op: Operator) -> Int8:
    """The type of an activation; uint8 is int8 with the zero point moved by 128."""
    scale = _scale(importer, op)
    zero_point, dtype = _zero_point(importer, op, ACTIVATIONS)
    if len(scale) != 1 or len(zero_point) != 1:
        raise op.refuse("an activation with", f"{len(scale)} scales", "one scale per activation tensor")
    return Int8(float(scale[0]), int(zero_point[0]) - (0 if dtype == "int8" else 128))


def _quantize(importer: Importer, op: Operator) -> list[Value | None]:
    """Of an activation, a node that `quant.prescribed` turns into the type of its input; constants are rounded now."""
    if importer.has_constant(op, 0):
        importer.constants[op.outputs[0]] = _rounded(importer, op)
        return [None]
    if op.attributes.get("block_size"):
        raise op.refuse("block_size", op.attributes["block_size"], "one scale per tensor")
    kind = _kind(importer, op)
    importer.integers_of[op.outputs[0]] = kind
    return [activate(importer, op.site(), importer.value(op), FakeQuantize(kind))]


def _rounded(importer: Importer, op: Operator) -> np.ndarray:
    """A float constant on the grid of its integers (ONNX operators, QuantizeLinear): halves to even."""
    real, scale = importer.weights(op, 0, "a constant").astype(np.float32), importer.array(op, op.inputs[1])
    zero_point, dtype = _zero_point(importer, op, WEIGHTS)
    shape = _along(op, real.shape, max(scale.size, zero_point.size))
    info = np.iinfo(dtype or "uint8")
    q = np.rint(real / scale.reshape(shape if scale.size > 1 else ())) + zero_point.reshape(
        shape if zero_point.size > 1 else ()
    )
    return np.clip(q, info.min, info.max).astype(info.dtype)


def _along(op: Operator, shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The shape in which `count` values lie along the operator's axis of `shape`."""
    if count == 1:
        return (1,)
    axis = axis_of(op, op.attributes.get("axis", 1), len(shape))
    if shape[axis] != count:
        raise op.refuse("scales", f"{count} along axis {axis} of {shape}", "one, or one per index of the axis")
    return tuple(count if i == axis else 1 for i in range(len(shape)))


def _dequantize(importer: Importer, op: Operator) -> list[Value | None]:
    if importer.has_constant(op, 0):
        importer.quantized[op.outputs[0]] = _constant(importer, op)
        return [None]
    value, kind = importer.value(op), _kind(importer, op)
    if importer.integers_of.get(op.inputs[0]) != kind:
        raise op.refuse("reading integers as", kind, "the scale and zero point that the QuantizeLinear before it has")
    return [value]


def _constant(importer: Importer, op: Operator) -> QuantizedConstant:
    integers, scale = importer.array(op, op.inputs[0]), _scale(importer, op)
    if integers.dtype.name not in WEIGHTS or op.attributes.get("block_size"):
        raise op.refuse("constants of type", integers.dtype.name, f"{', '.join(WEIGHTS)}, without blocks")
    zero_point, _ = _zero_point(importer, op, WEIGHTS)
    count = max(len(scale), len(zero_point))
    shape = _along(op, integers.shape, count)
    if len(scale) not in (1, count) or len(zero_point) not in (1, count):
        raise op.refuse("scales and zero points", (len(scale), len(zero_point)), "as many of one as of the other")
    plain = integers.astype(np.int64) - (zero_point.reshape(shape) if len(zero_point) > 1 else zero_point[0])
    axis = axis_of(op, op.attributes.get("axis", 1), integers.ndim) if count > 1 else 0
    return QuantizedConstant(plain, scale, axis)


FAMILY = (
    Operators("the type of the tensor before it; weights keep the file's integers and scales",
              "activations int8 or uint8, one scale each; weights int8 or uint8, symmetric, one scale or one per output",
              {"QuantizeLinear": _quantize, "DequantizeLinear": _dequantize}),
)  # fmt: skip
