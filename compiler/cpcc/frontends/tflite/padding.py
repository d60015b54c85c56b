"""Window geometry of TensorFlow Lite: SAME puts the odd row or column of padding at the end."""

from __future__ import annotations

import tflite

from cpcc.errors import ModelError
from cpcc.frontends.tflite.schema import Operator
from cpcc.ops.windows import Padding


def _axis(same: bool, size: int, window: int, stride: int) -> tuple[int, int]:
    if not same:
        return 0, 0
    total = max(0, (-(-size // stride) - 1) * stride + window - size)
    return total // 2, total - total // 2


def padding(
    op: Operator, kind: int, shape: tuple[int, ...], window: tuple[int, int], stride: tuple[int, int]
) -> Padding:
    """(top, bottom, left, right) for an input (h, w, c). `window` is the dilated size of the filter."""
    if len(shape) != 3:
        raise ModelError(f"{op.place}: the input has the shape {shape} without its batch; supported: (h, w, channels)")
    if min(stride) < 1 or min(window) < 1:
        raise ModelError(f"{op.place}: stride {stride}, window {window}; supported: 1 and more")
    if kind not in (tflite.Padding.SAME, tflite.Padding.VALID):
        raise ModelError(f"{op.place}: padding number {kind}; supported: SAME, VALID")
    same = kind == tflite.Padding.SAME
    top, bottom = _axis(same, shape[0], window[0], stride[0])
    left, right = _axis(same, shape[1], window[1], stride[1])
    return top, bottom, left, right
