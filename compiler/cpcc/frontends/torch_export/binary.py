"""Arithmetic of two tensors, or of a tensor and a constant."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer, Value
from cpcc.frontends.torch_export.layout import merged, ordered, per_axis
from cpcc.frontends.torch_export.norm import per_element
from cpcc.frontends.torch_export.source import arguments, kind, node_name, refuse, source_line
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch


def _order(value: Value) -> list[int] | None:
    """Axes as they lie in memory, outermost first; None where an axis lies in several pieces."""
    axes = per_axis(value.factors, value.shape)
    if axes is None or any(len(merged(axis)) > 1 for axis in axes):
        return None
    strides = [merged(axis)[0][1] if merged(axis) else -1 for axis in axes]
    return sorted(range(len(strides)), key=lambda axis: -strides[axis])


def _together(importer: Importer, node: torch.fx.Node, values: list[Value], params: Any) -> Value:
    """`params` of both values, broadcast, in the memory order of the larger."""
    out = tuple(node.meta["val"].shape)
    values = [replace(v, shape=(1,) * (len(out) - len(v.shape)) + v.shape) for v in values]
    largest = max(values, key=lambda v: math.prod(v.shape))
    order = _order(largest) or list(range(len(out)))
    long = [axis for axis in order if out[axis] > 1] or [order[-1]]
    if len(long) > 3:
        raise refuse(node, "operands of shape", out, "at most 3 axes longer than 1")
    inputs = []
    for value in values:
        shape = (1,) * (3 - len(long)) + tuple(value.shape[axis] for axis in long)
        laid = importer.laid_out(value, value.shape, order, node_name(node), source_line(node), shape)
        inputs.append(laid.tensor)
    sizes = (1,) * (3 - len(long)) + tuple(out[axis] for axis in long)
    if params == fp.WeightedSum() and values[0].shape == values[1].shape:
        params = fp.Add()  # no broadcast, no factors: the plainer op
    result = importer.fresh(node.name, out, sizes, (0, 1, 2))
    importer.append(node_name(node), params, tuple(inputs), node.name, source_line(node))
    return replace(result, factors=ordered(out, order))


def _constant(importer: Importer, node: torch.fx.Node, operand: Any) -> np.ndarray | None:
    """A number, or a constant tensor; None for a tensor that the network computes."""
    if isinstance(operand, (int, float)):
        return np.array(float(operand))
    return importer.constant(node, operand, "operand") if operand.name in importer.constants else None


def _affine(importer: Importer, node: torch.fx.Node, value: Value, scale: np.ndarray, offset: np.ndarray) -> Value:
    """``value * scale + offset`` for constants that broadcast to the result."""
    out = tuple(node.meta["val"].shape)
    if math.prod(out) != math.prod(value.shape):
        raise refuse(node, "a constant larger than the tensor", out, value.shape)
    full = [np.broadcast_to(v, out).astype(np.float64) for v in (scale, offset)]
    return per_element(importer, node, replace(value, shape=out), full[0], full[1])


def _binary(importer: Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    left, right = a["self"], a["other"]
    constants = [_constant(importer, node, operand) for operand in (left, right)]
    values = [None if c is not None else importer.operand(node, o) for c, o in zip(constants, (left, right))]
    name = kind(node).rstrip("_")
    compute = _product if name in ("mul", "div") else _sum
    result = compute(importer, node, name, float(a.get("alpha", 1)), values, constants)
    if kind(node).endswith("_") and values[0] is not None:
        importer.overwrite(node, values[0], result)
    return result


def _product(
    importer: Importer, node: torch.fx.Node, name: str, alpha: float, values: list[Value | None], constants: list[Any]
) -> Value:
    first, second = values
    if name == "div" and second is not None:
        raise refuse(node, "division by a tensor", "", "division by a constant")
    if first is not None and second is not None:
        return _together(importer, node, [first, second], fp.Mul())
    value, constant = (first, constants[1]) if first is not None else (second, constants[0])
    if name == "div" and not np.all(constant):
        raise refuse(node, "division by", "zero", "other constants")
    assert value is not None
    return _affine(importer, node, value, 1 / constant if name == "div" else constant, np.zeros(()))


def _sum(
    importer: Importer, node: torch.fx.Node, name: str, alpha: float, values: list[Value | None], constants: list[Any]
) -> Value:
    coefficients = {"add": (1.0, alpha), "sub": (1.0, -alpha), "rsub": (-alpha, 1.0)}[name]
    first, second = values
    if first is not None and second is not None:
        return _together(importer, node, [first, second], fp.WeightedSum(coefficients))
    value, own, other = (first, 0, 1) if first is not None else (second, 1, 0)
    assert value is not None
    return _affine(importer, node, value, np.array(coefficients[own]), coefficients[other] * constants[other])


def _neg(importer: Importer, node: torch.fx.Node) -> Value:
    return _affine(importer, node, importer.value(node), np.array(-1.0), np.zeros(()))


_SUMS = ("add", "add_", "sub", "sub_", "rsub")
FAMILY = (
    Layers(("add", "sub"), "add, or weighted_sum where it broadcasts or subtracts; with a constant folded into the layer before it, else depthwise_conv2d",
           "broadcast, at most 3 axes longer than 1", dict.fromkeys(_SUMS, _binary)),
    Layers(("mul", "div", "neg"), "mul; with a constant as above", "div by a constant only",
           {**dict.fromkeys(("mul", "mul_", "div", "div_"), _binary), "neg": _neg}),
)  # fmt: skip
