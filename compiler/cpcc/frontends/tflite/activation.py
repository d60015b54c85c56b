"""Activations fused into an operator: the range its output is clamped to."""

from __future__ import annotations

import numpy as np
import tflite

from cpcc.errors import ModelError
from cpcc.frontends.tflite.schema import Operator
from cpcc.graph import Integer

_NAMES = {v: k for k, v in vars(tflite.ActivationFunctionType).items() if isinstance(v, int)}
_RANGES: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0),
}  # fmt: skip


def quantized(real: float, y: Integer) -> int:
    """`real` on the grid of `y`: the float32 quotient, halves away from zero (Quantize of kernel_util.cc)."""
    quotient = float(np.float32(real) / np.float32(y.scale))
    return y.zero_point + int(np.copysign(np.floor(abs(quotient) + 0.5), quotient))


def clamp(op: Operator, function: int, y: Integer) -> tuple[int, int]:
    """(low, high) of an output with the fused activation `function`."""
    name = _NAMES.get(function, f"number {function}")
    if name not in _RANGES:
        raise ModelError(f"{op.place}: fused activation {name}; supported: {', '.join(_RANGES)}")
    low, high = _RANGES[name]
    return (
        y.low if low is None else max(y.low, quantized(low, y)),
        y.high if high is None else min(y.high, quantized(high, y)),
    )
