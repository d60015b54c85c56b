"""Gemm and MatMul with a constant, BatchNormalization."""

from __future__ import annotations

import numpy as np

from cpcc.frontends.channels_first.affine import batch_norm
from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.linear import linear
from cpcc.frontends.channels_first.views import permuted
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer
from cpcc.frontends.onnx.operator import Operator


def _gemm(importer: Importer, op: Operator) -> Value:
    """``alpha * A @ B + beta * C``."""
    a, site = op.attributes, op.site()
    value = importer.value(op)
    if a["transA"]:
        value = permuted(importer, site, value, (1, 0))
    weight = importer.weights(op, 1, "B")
    weight = (weight if a["transB"] else weight.T) * a["alpha"]
    scales = importer.scales(op, 1, 0 if a["transB"] else 1)
    bias = None
    if importer.has(op, 2):
        given = importer.weights(op, 2, "C") * a["beta"]
        if given.size not in (1, len(weight)):
            raise op.refuse("C of shape", given.shape, f"({len(weight)},)")
        bias = np.broadcast_to(given.ravel(), (len(weight),))
    return linear(importer, site, value, weight, bias, None if scales is None else scales * abs(a["alpha"]))


def _matmul(importer: Importer, op: Operator) -> Value:
    """With a constant on either side: ``W @ x`` is ``(x.T @ W.T).T``."""
    left, right = (importer.is_constant(name) or name in importer.quantized for name in op.inputs)
    if not (left or right):
        raise op.refuse("a product of", "two computed tensors", "a constant on one side")
    value, weight = importer.value(op, 1 if left else 0), importer.weights(op, 0 if left else 1, "the constant")
    if weight.ndim != 2:
        raise op.refuse("a constant of shape", weight.shape, "two axes")
    if right:
        return linear(importer, op.site(), value, weight.T, None, importer.scales(op, 1, 1))
    rank = len(value.shape)
    if rank < 2:
        raise op.refuse("an operand of shape", value.shape, "two axes and more")
    order = (*range(rank - 2), rank - 1, rank - 2)
    product = linear(
        importer, op.site(), permuted(importer, op.site(), value, order), weight, None, importer.scales(op, 0, 0)
    )
    return permuted(importer, op.site(), product, order)


def _batch_norm(importer: Importer, op: Operator) -> Value:
    if op.attributes.get("training_mode"):
        raise op.refuse("training mode", "", "evaluation mode, so call .eval() before the export")
    gamma, beta, mean, variance = (importer.weights(op, i, "a parameter") for i in range(1, 5))
    total = variance + op.attributes["epsilon"]
    if (total <= 0).any():
        raise op.refuse("a variance", "below zero", "positive variances; train it again")
    scale = gamma / np.sqrt(total)
    return batch_norm(importer, op.site(), importer.value(op), scale, beta - mean * scale)


FAMILY = (
    Operators("linear; conv2d with a 1x1 window for several rows", "one side a constant of two axes",
              {"Gemm": _gemm, "MatMul": _matmul}),
    Operators("folded into the layer before it, else depthwise_conv2d with a 1x1 window", "not in training mode",
              {"BatchNormalization": _batch_norm}),
)  # fmt: skip
