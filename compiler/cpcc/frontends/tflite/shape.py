"""RESHAPE and its kin: the same bytes under another shape. The shape is the output tensor's, as it lies in the file."""

from __future__ import annotations

from cpcc.errors import ModelError
from cpcc.frontends.tflite.builder import Builder, Handler, activation_type, without_batch
from cpcc.frontends.tflite.schema import Operator
from cpcc.ops.float_params import Reshape


def reshape(b: Builder, op: Operator) -> None:
    x, info = b.value(op, 0), b.output(op)
    shape = without_batch(op.place, info)
    if activation_type(op.place, info) != x.type:
        raise ModelError(
            f"{op.place}: input {x.type}, output {activation_type(op.place, info)}; supported: one quantization"
        )
    if shape == x.shape:
        b.alias(op, x)
    else:
        b.add(op, Reshape(shape), (x,))


HANDLERS = {code: Handler(reshape, int16=True) for code in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")}
