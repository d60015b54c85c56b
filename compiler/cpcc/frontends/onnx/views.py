"""Views, permutations and what is left out: no code, only another reading of the same memory."""

from __future__ import annotations

import math
from dataclasses import replace

import onnx

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.views import depth_to_space, permuted
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer, axis_of
from cpcc.frontends.onnx.operator import Operator


def _viewed(op: Operator, value: Value, shape: tuple[int, ...]) -> Value:
    if min(shape, default=1) < 1 or math.prod(shape) != math.prod(value.shape):
        raise op.refuse("a view of", f"{value.shape} as {shape}", "the same number of elements")
    return replace(value, shape=shape)


def _reshape(importer: Importer, op: Operator) -> Value:
    value, wanted = importer.value(op), importer.integers(op, 1, "shape")
    if wanted is None:
        raise op.refuse("a shape", "that is missing", "a constant")
    copied = [
        value.shape[i] if n == 0 and not op.attributes.get("allowzero") and i < len(value.shape) else n
        for i, n in enumerate(wanted)
    ]
    if copied.count(-1) == 1:
        rest = math.prod(n for n in copied if n != -1)
        copied[copied.index(-1)] = math.prod(value.shape) // rest if rest > 0 else 0
    return _viewed(op, value, tuple(copied))


def _flatten(importer: Importer, op: Operator) -> Value:
    value, axis = importer.value(op), op.attributes["axis"]
    at = axis if axis == len(value.shape) else axis_of(op, axis, len(value.shape))
    return _viewed(op, value, (math.prod(value.shape[:at]), math.prod(value.shape[at:])))


def _squeeze(importer: Importer, op: Operator) -> Value:
    value, axes = importer.value(op), importer.integers(op, 1, "axes")
    rank = len(value.shape)
    chosen = {axis_of(op, a, rank) for a in axes} if axes else {i for i, n in enumerate(value.shape) if n == 1}
    if any(value.shape[i] != 1 for i in chosen):
        raise op.refuse("squeezing", f"axes {sorted(chosen)} of {value.shape}", "axes of size 1")
    return replace(value, shape=tuple(n for i, n in enumerate(value.shape) if i not in chosen))


def _unsqueeze(importer: Importer, op: Operator) -> Value:
    value, axes = importer.value(op), importer.integers(op, 1, "axes") or ()
    rank = len(value.shape) + len(axes)
    new, rest = {axis_of(op, a, rank) for a in axes}, list(value.shape)
    if len(new) != len(axes):
        raise op.refuse("axes", axes, "different axes")
    return replace(value, shape=tuple(1 if i in new else rest.pop(0) for i in range(rank)))


def _transpose(importer: Importer, op: Operator) -> Value:
    value = importer.value(op)
    order = op.attributes.get("perm") or tuple(reversed(range(len(value.shape))))
    if sorted(order) != list(range(len(value.shape))):
        raise op.refuse("perm", order, f"an order of {len(value.shape)} axes")
    return permuted(importer, op.site(), value, order)


def _depth_to_space(importer: Importer, op: Operator) -> Value:
    value, r = importer.value(op), op.attributes["blocksize"]
    if len(value.shape) != 4 or r < 1 or value.shape[1] % (r * r):
        raise op.refuse("blocksize", f"{r} of {value.shape}", "a square that divides the channels of (1, c, h, w)")
    crd = op.attributes.get("mode", "DCR") == "CRD"
    return depth_to_space(importer, op.site(), value, r, channels_outer=crd)


def _space_to_depth(importer: Importer, op: Operator) -> Value:
    value, r = importer.value(op), op.attributes["blocksize"]
    if len(value.shape) != 4 or r < 1 or value.shape[2] % r or value.shape[3] % r:
        raise op.refuse("blocksize", f"{r} of {value.shape}", "one that divides (h, w) of (1, c, h, w)")
    n, c, h, w = value.shape
    split = replace(value, shape=(n, c, h // r, r, w // r, r))
    crd = op.attributes.get("mode", "DCR") == "CRD"
    blocks = permuted(importer, op.site(), split, (0, 1, 3, 5, 2, 4) if crd else (0, 3, 5, 1, 2, 4))
    return replace(blocks, shape=(n, c * r * r, h // r, w // r))


def _same(importer: Importer, op: Operator) -> list[Value | None]:
    return [importer.value(op)]


def _dropout(importer: Importer, op: Operator) -> list[Value | None]:
    if importer.has(op, 2) and importer.array(op, op.inputs[2]).any():
        raise op.refuse("training mode", "", "evaluation mode, so call .eval() before the export")
    if len(op.outputs) > 1 and op.outputs[1] in importer.read:
        raise op.refuse("the use of", "the mask", "the first output")
    return [importer.value(op)]


def _cast(importer: Importer, op: Operator) -> Value:
    if op.attributes["to"] != onnx.TensorProto.FLOAT:
        raise op.refuse("a cast to type", op.attributes["to"], "float32 throughout")
    return importer.value(op)


FAMILY = (
    Operators("nothing, or reshape", "constant shapes, which arithmetic on shapes gives too",
              {"Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze}),
    Operators("nothing, or strided_copy where the next layer needs the order", "",
              {"Transpose": _transpose, "DepthToSpace": _depth_to_space, "SpaceToDepth": _space_to_depth}),
    Operators("nothing", "Dropout in evaluation mode, Cast to float32",
              {"Identity": _same, "Dropout": _dropout, "Cast": _cast}),
)  # fmt: skip
