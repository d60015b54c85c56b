"""SPLIT, SPLIT_V and UNPACK: parts of a tensor, of which only those that something reads become copies; and PACK."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cpcc.errors import ModelError
from cpcc.frontends.tflite.builder import Builder, Handler, activation_type, without_batch
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Tensor
from cpcc.ops.float_params import Concat, StridedCopy


@dataclass(frozen=True)
class UnpackOptions:
    axis: int


@dataclass(frozen=True)
class PackOptions:
    axis: int


def _axis(op: Operator, axis: int, rank: int) -> int:
    """`axis` of a tensor of `rank`, batch included, counted without it."""
    if not (1 <= axis < rank or 1 - rank <= axis < 0):
        raise ModelError(f"{op.place}: axis {axis}; supported: any but the batch's")
    return axis % rank - 1


def _parts(b: Builder, op: Operator, x: Tensor, axis: int) -> None:
    """The outputs, one behind the other along `axis`; each must have the elements of its part."""
    step = math.prod(x.shape[axis + 1 :])
    outer = math.prod(x.shape[:axis])
    start = 0
    for number, info in enumerate(b.outputs(op)):
        shape = without_batch(op.place, info)
        size, rest = divmod(math.prod(shape), outer * step)
        if rest or start + size > x.shape[axis] or activation_type(op.place, info) != x.type:
            raise ModelError(f"{op.place}: output {number} has the shape {shape} and {activation_type(op.place, info)}, the input "
                             f"{x.shape} and {x.type}; export the model again")  # fmt: skip
        if info.index in b.read:
            loops = ((outer, x.shape[axis] * step), (size * step, 1))
            b.add(op, StridedCopy(shape, loops, start * step), (x,), number)
        start += size
    if start != x.shape[axis]:
        raise ModelError(
            f"{op.place}: the outputs have {start} of {x.shape[axis]} along axis {axis + 1}; export it again"
        )


def split(b: Builder, op: Operator) -> None:
    x = b.value(op, 1)
    _parts(b, op, x, _axis(op, int(b.constant(op, 0, "INT32").ravel()[0]), len(x.shape) + 1))


def split_v(b: Builder, op: Operator) -> None:
    """The sizes lie in the outputs' shapes too."""
    x = b.value(op, 0)
    _parts(b, op, x, _axis(op, int(b.constant(op, 2, "INT32").ravel()[0]), len(x.shape) + 1))


def unpack(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    _parts(b, op, x, _axis(op, read_options(op, UnpackOptions).axis, len(x.shape) + 1))


def pack(b: Builder, op: Operator) -> None:
    inputs = b.values(op)
    shape, y = inputs[0].shape, activation_type(op.place, b.output(op))
    if any(x.shape != shape or x.type != y for x in inputs):
        raise ModelError(f"{op.place}: inputs of other shapes or types; supported: one shape, one quantization")
    axis = _axis(op, read_options(op, PackOptions).axis, len(shape) + 2)
    part = (*shape[:axis], 1, *shape[axis:])
    b.add(op, Concat(axis), tuple(b.reshaped(op, f"part{i}", x, part) for i, x in enumerate(inputs)))


HANDLERS = {
    "SPLIT": Handler(split, 2),
    "SPLIT_V": Handler(split_v),
    "UNPACK": Handler(unpack),
    "PACK": Handler(pack, None),
}
