"""Functions of one value, and softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cpcc.frontends.channels_first.activations import activate, clip, power, prelu, softmax
from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer, axis_of
from cpcc.frontends.onnx.operator import Operator
from cpcc.ops import float_params as fp

Params = Callable[[dict[str, Any]], fp.Relu | fp.Lookup]
SIXTH = 1 / 6


def _plain(name: str) -> Params:
    return lambda a: fp.Lookup(name)


def _hard_sigmoid(a: dict[str, Any]) -> fp.Lookup:
    if abs(a["alpha"] - SIXTH) < 1e-7 and a["beta"] == 0.5:
        return fp.Lookup("hardsigmoid")
    return fp.Lookup("clipped_line", (float(a["alpha"]), float(a["beta"])))


def _gelu(a: dict[str, Any]) -> fp.Lookup:
    return fp.Lookup("gelu_tanh" if a["approximate"] == "tanh" else "gelu")


ACTIVATIONS: dict[str, Params] = {
    "Celu": lambda a: fp.Lookup("elu", (float(a["alpha"]), 1.0, 1.0 / float(a["alpha"] or 1))),
    "Elu": lambda a: fp.Lookup("elu", (float(a["alpha"]), 1.0, 1.0)),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": lambda a: fp.Lookup("leaky_relu", (float(a["alpha"]),)),
    "Relu": lambda a: fp.Relu(),
    "Selu": lambda a: fp.Lookup("elu", (float(a["alpha"]), float(a["gamma"]), 1.0)),
    "Softplus": lambda a: fp.Lookup("softplus", (1.0, math.inf)),
    "ThresholdedRelu": lambda a: fp.Lookup("thresholded_relu", (float(a["alpha"]),)),
    **{name: _plain(function) for name, function in {
        "Abs": "abs", "Erf": "erf", "Exp": "exp", "HardSwish": "hardswish", "Mish": "mish", "Sigmoid": "sigmoid",
        "Softsign": "softsign", "Tanh": "tanh"}.items()},
}  # fmt: skip


def _activation(importer: Importer, op: Operator) -> Value:
    value = importer.value(op)
    if op.index == importer.dropped:
        return value
    params = ACTIVATIONS[op.type](op.attributes)
    if isinstance(params, fp.Lookup) and not all(math.isfinite(v) for v in params.arguments if v != math.inf):
        raise op.refuse("an attribute", "that is not finite", "finite numbers")
    return activate(importer, op.site(), value, params)


def _bound(importer: Importer, op: Operator, operand: int, attribute: str) -> float | None:
    """A limit from an operand or, before opset 11, from an attribute."""
    if not importer.has(op, operand):
        limit = op.attributes.get(attribute)
        return None if limit is None or abs(limit) > 3e38 else float(limit)
    return _scalar(importer, op, operand)


def _scalar(importer: Importer, op: Operator, operand: int) -> float:
    array = importer.array(op, op.inputs[operand])
    if array.size != 1 or math.isnan(float(array.ravel()[0])):
        raise op.refuse("a constant of shape", array.shape, "one number")
    return float(array.ravel()[0])


def _clip(importer: Importer, op: Operator) -> Value:
    low, high = _bound(importer, op, 1, "min"), _bound(importer, op, 2, "max")
    if low is not None and high is not None and low > high:
        low = high  # as numpy and ONNX Runtime have it
    return activate(importer, op.site(), importer.value(op), clip(low, high))


def _limit(importer: Importer, op: Operator) -> Value:
    """Max and Min of a tensor and a number."""
    values = [i for i, name in enumerate(op.inputs) if name in importer.values]
    if len(values) != 1 or len(op.inputs) != 2:
        raise op.refuse("operands", f"({len(op.inputs)}, {len(values)} of them computed)", "a tensor and one number")
    number = _scalar(importer, op, 1 - values[0])
    limits = (number, None) if op.type == "Max" else (None, number)
    return activate(importer, op.site(), importer.value(op, values[0]), clip(*limits))


def _prelu(importer: Importer, op: Operator) -> Value:
    return prelu(importer, op.site(), importer.value(op), importer.weights(op, 1, "slope"))


def _pow(importer: Importer, op: Operator) -> Value:
    return activate(importer, op.site(), importer.value(op), power(op.site(), _scalar(importer, op, 1)))


def _softmax(importer: Importer, op: Operator) -> Value:
    value = importer.value(op)
    axis = axis_of(op, op.attributes["axis"], len(value.shape))
    if op.opset < 13 and math.prod(value.shape[axis + 1 :]) > 1:
        raise op.refuse("axis", axis, "the last axis, or opset 13 and newer")
    last = max((i for i, n in enumerate(value.shape) if n > 1), default=axis)
    axis = last if op.opset < 13 else axis
    if op.index == importer.dropped and value.shape[axis] == math.prod(value.shape):
        return value
    return softmax(importer, op.site(), value, axis, fp.LogSoftmax() if op.type == "LogSoftmax" else fp.Softmax())


_TABLES = {name: _activation for name in ACTIVATIONS if name != "Relu"}
FAMILY = (
    Operators("fused into the layer before it where only it reads that layer, else relu or lookup", "",
              {"Relu": _activation, "Clip": _clip}),
    Operators("lookup, a table of 256 values", "PRelu with slopes: one table for each different one; Pow with a whole exponent, Max and Min with a number",
              {**_TABLES, "Max": _limit, "Min": _limit, "Pow": _pow, "PRelu": _prelu}),
    Operators("softmax, log_softmax; dropped at the end of a detector", "",
              dict.fromkeys(("Softmax", "LogSoftmax"), _softmax)),
)  # fmt: skip
