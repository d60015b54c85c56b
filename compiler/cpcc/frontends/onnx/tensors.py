"""Constants of a file as numpy arrays, and what is known of a tensor's type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cpcc.archive.text import one_line, show
from cpcc.errors import ModelError
from cpcc.frontends.onnx.operator import Operator

DTYPES = {
    onnx.TensorProto.FLOAT: 4, onnx.TensorProto.DOUBLE: 8, onnx.TensorProto.INT8: 1, onnx.TensorProto.UINT8: 1,
    onnx.TensorProto.INT32: 4, onnx.TensorProto.INT64: 8, onnx.TensorProto.BOOL: 1,
}  # fmt: skip
MAX_RANK = 8


@dataclass(frozen=True, eq=False)
class QuantizedConstant:
    """Constant `integers`, zero points removed, times `scale` (1,) or (k,) along `axis`."""

    integers: np.ndarray
    scale: np.ndarray
    axis: int

    @property
    def real(self) -> np.ndarray:
        """float64 array."""
        shape = [1] * self.integers.ndim
        if len(self.scale) > 1:
            shape[self.axis] = -1
        return self.integers * (self.scale.reshape(shape) if self.integers.ndim else self.scale[0])

    def transposed(self, op: Operator) -> QuantizedConstant:
        """With its axes in the order of a Transpose."""
        order = op.attributes.get("perm") or tuple(reversed(range(self.integers.ndim)))
        if sorted(order) != list(range(self.integers.ndim)):
            raise op.refuse("perm", order, f"an order of {self.integers.ndim} axes")
        return QuantizedConstant(self.integers.transpose(order), self.scale, order.index(self.axis))

    def scales_along(self, op: Operator, axis: int) -> np.ndarray:
        """`scale`, where it is one or lies along `axis`. Raises `ModelError` where the weights are not symmetric int8."""
        if self.integers.size and not -128 <= self.integers.min() <= self.integers.max() <= 127:
            raise op.refuse(
                "weights with", "a zero point", "symmetric int8 weights (extra_options={'WeightSymmetric': True})"
            )
        if len(self.scale) > 1 and self.axis != axis % self.integers.ndim:
            raise op.refuse("one scale per index of axis", self.axis, f"one per output, along axis {axis}")
        return self.scale


def read_tensor(tensor: onnx.TensorProto, place: str) -> np.ndarray:
    """The array in `tensor`. Raises `ModelError` for types that are not supported, and where data are missing."""
    name = show(tensor.name) or "of a constant"
    if tensor.data_type not in DTYPES:
        raise ModelError(
            f"{place}: tensor {name} is {_name(tensor.data_type)}; supported: float32, int8, uint8, int32, int64"
        )
    dims = tuple(tensor.dims)
    if len(dims) > MAX_RANK or min(dims, default=0) < 0:
        raise ModelError(f"{place}: tensor {name} has the shape {dims}; supported: up to {MAX_RANK} axes")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ModelError(f"{place}: tensor {name} is damaged ({one_line(error)}); export the model again") from None


def type_name(info: onnx.ValueInfoProto) -> str:
    """``float32``, as numpy calls it; ``no tensor`` for sequences and the like."""
    if not info.type.HasField("tensor_type"):
        return "no tensor"
    return _name(info.type.tensor_type.elem_type)


def _name(data_type: int) -> str:
    try:
        return str(np.dtype(helper.tensor_dtype_to_np_dtype(data_type)))
    except (KeyError, ValueError, TypeError):
        return f"of type {data_type}"


def static_shape(info: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    """The shape; None where a size is not fixed."""
    if not info.type.tensor_type.HasField("shape"):
        return None
    dims = info.type.tensor_type.shape.dim
    if any(not dim.HasField("dim_value") for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)
