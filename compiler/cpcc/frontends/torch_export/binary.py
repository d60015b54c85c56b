"""Arithmetic of two tensors, or of a tensor and a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.frontends.channels_first.affine import with_constants
from cpcc.frontends.channels_first.binary import together
from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, kind, refuse, site
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch


def _constant(importer: Importer, node: torch.fx.Node, operand: Any) -> np.ndarray | None:
    """A number, or a constant tensor; None for a tensor that the network computes."""
    if isinstance(operand, (int, float)):
        return np.array(float(operand))
    return importer.constant(node, operand, "operand") if operand.name in importer.constants else None


def _together(importer: Importer, node: torch.fx.Node, values: list[Value], params: fp.Mul | fp.WeightedSum) -> Value:
    return together(importer, site(node), values, params, tuple(node.meta["val"].shape))


def _affine(importer: Importer, node: torch.fx.Node, value: Value, scale: np.ndarray, offset: np.ndarray) -> Value:
    return with_constants(importer, site(node), value, scale, offset, tuple(node.meta["val"].shape))


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
