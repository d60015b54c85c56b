"""Pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpcc.frontends.torch_export.importer import Handler, Importer, Value
from cpcc.frontends.torch_export.source import arguments, pair, refuse
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch


def _pool_size(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """torch's pooling_output_shape: in ceil mode the last window must start inside the input or its left
    padding (aten/src/ATen/native/Pool.h)."""
    count = (size + 2 * padding - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _pool_geometry(node: torch.fx.Node, h: int, w: int) -> tuple[tuple[int, int], ...]:
    """kernel, stride, padding and output size, each (rows, columns)."""
    a = arguments(node)
    kernel, padding = pair(a["kernel_size"]), pair(a["padding"])
    stride = pair(a["stride"]) if a["stride"] else kernel
    rows, columns = (
        _pool_size(size, kernel[i], stride[i], padding[i], a["ceil_mode"]) for i, size in enumerate((h, w))
    )
    return kernel, stride, padding, (rows, columns)


def _max_pool(importer: Importer, node: torch.fx.Node) -> Value:
    dilation = pair(arguments(node)["dilation"])
    if dilation != (1, 1):
        raise refuse(node, "dilation", dilation, (1, 1))
    value, (c, h, w) = importer.image(node)
    kernel, stride, (top, left), out = _pool_geometry(node, h, w)
    params = fp.MaxPool2d(kernel, stride, (top, top, left, left), (out[0], out[1]))
    return importer.emit(node, params, value, (*value.shape[:-3], c, *out))


def _avg_pool(importer: Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    value, (c, h, w) = importer.image(node)
    kernel, stride, padding, out = _pool_geometry(node, h, w)
    (rows, tall), (cols, wide) = (
        _windows(size, kernel[i], stride[i], padding[i], out[i], a["count_include_pad"])
        for i, size in enumerate((h, w))
    )
    fixed = a["divisor_override"]
    if fixed is not None and fixed < 1:
        raise refuse(node, "divisor_override", fixed, "1 or more")
    divisors = tuple(tuple(fixed or y * x for x in wide) for y in tall)
    return importer.emit(node, fp.AvgPool2d(rows, cols, divisors), value, (*value.shape[:-3], c, *out))


def _windows(
    size: int, kernel: int, stride: int, padding: int, count: int, include_pad: bool
) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Windows clipped to the input along one axis, and how many positions of each the mean counts."""
    starts = [i * stride - padding for i in range(count)]
    windows = tuple((max(s, 0), min(s + kernel, size)) for s in starts)
    padded = (min(s + kernel, size + padding) - s for s in starts)
    return windows, tuple(padded) if include_pad else tuple(stop - start for start, stop in windows)


def _adaptive_avg_pool(importer: Importer, node: torch.fx.Node) -> Value:
    value, (c, h, w) = importer.image(node)
    out = pair(arguments(node)["output_size"])
    rows, cols = (tuple((i * size // n, -((i + 1) * size // -n)) for i in range(n)) for size, n in zip((h, w), out))
    divisors = tuple(tuple((r[1] - r[0]) * (s[1] - s[0]) for s in cols) for r in rows)
    return importer.emit(node, fp.AvgPool2d(rows, cols, divisors), value, (*value.shape[:-3], c, *out))


HANDLERS: dict[str, Handler] = {
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _adaptive_avg_pool,
    "_adaptive_avg_pool2d": _adaptive_avg_pool,
}
