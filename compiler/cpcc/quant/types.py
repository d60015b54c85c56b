"""Ranges to integer types."""

from __future__ import annotations

import numpy as np

from cpcc.graph import Int8, Int16


def affine_int8(low: float, high: float) -> Int8:
    """The int8 type covering [low, high] and 0 exactly. An empty range gets scale 1/128."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-12:
        return Int8(1 / 128, 0)
    scale = (high - low) / 255
    return Int8(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def symmetric_int16(low: float, high: float) -> Int16:
    """The int16 type covering [low, high]. An empty range gets scale 1/32768."""
    largest = max(-low, high, 0.0)
    return Int16(1 / 32768 if largest < 1e-12 else largest / 32767)
