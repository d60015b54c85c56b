"""Functions of one value: what the `lookup` op tabulates. Formulas as in the documentation of torch.nn.functional
and of ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_erf = np.vectorize(math.erf, otypes=[float])


def sigmoid(x: np.ndarray) -> np.ndarray:
    """``1 / (1 + exp(-x))``, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softplus(x: np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    return np.where(beta * x > threshold, x, np.logaddexp(0.0, beta * x) / beta)


def elu(x: np.ndarray, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> np.ndarray:
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) * input_scale))


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def clip(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(x, low, high)


FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "identity": lambda x: x,
    "line": lambda x, scale, offset: x * scale + offset,
    "clip": clip,
    "clipped_line": lambda x, slope, offset: np.clip(slope * x + offset, 0, 1),
    "thresholded_relu": lambda x, threshold: np.where(x > threshold, x, 0.0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "erf": _erf,
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "sigmoid": sigmoid,
    "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "elu": elu,
    "softplus": softplus,
    "log_sigmoid": lambda x: -softplus(-x),
    "exp": np.exp,
    "abs": np.abs,
    "square": np.square,
    "power": np.power,
}
