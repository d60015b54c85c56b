"""Float parameters of every op: what a front end writes and the quantizer reads.

Layouts are channels-last. Arrays are float32 and never NaN or infinite (front ends check).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Linear:
    """``y = x @ weight.T + bias``, then ReLU if `relu`. weight (out, in), bias (out,).

    The input may have any shape with `in` elements; it is read in memory order (channels-last)."""

    weight: np.ndarray
    bias: np.ndarray
    relu: bool = False


@dataclass(frozen=True, eq=False)
class Conv2d:
    """2-D correlation, then ReLU if `relu`. weight (out, kh, kw, in), bias (out,);
    stride (h, w); padding (top, bottom, left, right) with zeros."""

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    relu: bool = False


@dataclass(frozen=True, eq=False)
class DepthwiseConv2d:
    """One filter per channel, then ReLU if `relu`. weight (kh, kw, channels), bias (channels,)."""

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    relu: bool = False


@dataclass(frozen=True)
class MaxPool2d:
    """Maximum over windows clipped to the input; `out_size` (h, w) is explicit, so ceil mode needs no flag."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    out_size: tuple[int, int]


@dataclass(frozen=True)
class AvgPool2d:
    """Mean over rectangular windows, one (start, stop) per output row and per output column, clipped to the
    input. `divisors[i][j]` is what the sum of window (i, j) is divided by (its area, or more where the padding counts).
    Covers AvgPool2d, AdaptiveAvgPool2d (uneven, enlarging) and global pooling."""

    rows: tuple[tuple[int, int], ...]
    cols: tuple[tuple[int, int], ...]
    divisors: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Relu:
    """``max(x, 0)``, where it could not be fused into its producer."""


@dataclass(frozen=True)
class Reshape:
    """Same bytes in memory order, another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Add:
    """``a + b`` of two tensors of one shape, then ReLU if `relu`."""

    relu: bool = False


@dataclass(frozen=True)
class Softmax:
    """``exp(beta * x) / sum(exp(beta * x))`` over the last axis (of images: the channels)."""

    beta: float = 1.0
