"""Geometry that convolutions and pools share. Everything is channels-last."""

from __future__ import annotations

import numpy as np

from cpcc.errors import ModelError

Padding = tuple[int, int, int, int]


def conv_output_size(
    h: int, w: int, kernel: tuple[int, int], stride: tuple[int, int], padding: Padding
) -> tuple[int, int]:
    """(rows, columns) of a convolution. Raises `ModelError` where the window exceeds the padded input."""
    top, bottom, left, right = padding
    rows, cols = h + top + bottom - kernel[0], w + left + right - kernel[1]
    if rows < 0 or cols < 0:
        raise ModelError(f"window {kernel} exceeds the padded input ({h + top + bottom}, {w + left + right})")
    return rows // stride[0] + 1, cols // stride[1] + 1


def pad(x: np.ndarray, padding: Padding, value: float) -> np.ndarray:
    """`x` (n, h, w, c) with constant borders."""
    top, bottom, left, right = padding
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def windows(x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int]) -> np.ndarray:
    """View (n, rows, cols, kh, kw, c) of the padded input `x` (n, h, w, c)."""
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    return view.transpose(0, 1, 2, 4, 5, 3)


def padded_bytes(shape: tuple[int, ...], padding: Padding) -> int:
    """Bytes of the padded int8 copy of an input (h, w, c); 0 where nothing is padded."""
    h, w, c = shape
    top, bottom, left, right = padding
    return (h + top + bottom) * (w + left + right) * c if any(padding) else 0
