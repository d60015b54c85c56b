"""Arithmetic of two tensors, or of a tensor and a constant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpcc.frontends.channels_first.affine import with_constants
from cpcc.frontends.channels_first.binary import together
from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer
from cpcc.frontends.onnx.operator import Operator
from cpcc.ops import float_params as fp

COEFFICIENTS = {"Add": (1.0, 1.0), "Sub": (1.0, -1.0)}


def _binary(importer: Importer, op: Operator) -> Value:
    computed = [name in importer.values for name in op.inputs]
    if not all(computed):
        return _with_constant(importer, op, computed.index(True))
    values = [importer.value(op, 0), importer.value(op, 1)]
    if op.type == "Div":
        raise op.refuse("division by", "a computed tensor", "division by a constant")
    params = fp.Mul() if op.type == "Mul" else fp.WeightedSum(COEFFICIENTS[op.type])
    return together(importer, op.site(), values, params, _broadcast(op, values[0].shape, values[1].shape))


def _with_constant(importer: Importer, op: Operator, operand: int) -> Value:
    value, constant = importer.value(op, operand), importer.weights(op, 1 - operand, "a constant")
    if op.type == "Div" and operand == 1:
        raise op.refuse("division by", "a computed tensor", "division by a constant")
    if op.type == "Div" and not constant.all():
        raise op.refuse("division by", "zero", "other constants")
    zero, one = np.zeros(()), np.ones(())
    if op.type in COEFFICIENTS:
        own, other = (COEFFICIENTS[op.type][i] for i in (operand, 1 - operand))
        scale, offset = one * own, constant * other
    else:
        scale, offset = (1 / constant if op.type == "Div" else constant), zero
    return with_constants(importer, op.site(), value, scale, offset, _broadcast(op, value.shape, constant.shape))


def _broadcast(op: Operator, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        raise op.refuse("operands of shapes", shapes, "shapes that broadcast") from None


def _sum(importer: Importer, op: Operator) -> Value:
    """Any number of tensors, one after another."""
    total, last = importer.value(op, 0), len(op.inputs) - 1
    for i in range(1, last + 1):
        site, other = op.site(), importer.value(op, i)
        site = site if i == last else replace(site, output=f"{site.output}.sum{i}")
        total = together(importer, site, [total, other], fp.WeightedSum(), _broadcast(op, total.shape, other.shape))
    return total


def _neg(importer: Importer, op: Operator) -> Value:
    value = importer.value(op)
    return with_constants(importer, op.site(), value, np.array(-1.0), np.zeros(()), value.shape)


FAMILY = (
    Operators("add, or weighted_sum where it broadcasts or subtracts; with a constant folded into the layer before it, else "
              "depthwise_conv2d", "at most 3 axes longer than 1", {"Add": _binary, "Sub": _binary, "Sum": _sum}),
    Operators("mul; with a constant as above", "Div by a constant only", {"Mul": _binary, "Div": _binary, "Neg": _neg}),
)  # fmt: skip
