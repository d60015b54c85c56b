"""Pooling and reductions of sequences and images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cpcc.frontends.torch_export.conv import pair
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer, Value
from cpcc.frontends.torch_export.source import arguments, kind, node_name, refuse, source_line
from cpcc.ops import float_params as fp
from cpcc.ops.avg_pool2d import adaptive_spans

if TYPE_CHECKING:
    import torch

Spans = tuple[tuple[int, int], ...]


def _spatial(node: torch.fx.Node) -> int:
    return 1 if "1d" in kind(node) else 2


def _emit(
    importer: Importer,
    node: torch.fx.Node,
    params: fp.MaxPool2d | fp.AvgPool2d | fp.Mean,
    value: Value,
    image: tuple[int, int, int],
) -> Value:
    spatial = _spatial(node)
    shape = (*value.shape[: -spatial - 1], image[0], *(image[1:] if spatial == 2 else image[2:]))
    return importer.emit_image(node, params, (value,), shape, image)


def _pool_size(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """torch's pooling_output_shape: in ceil mode the last window must start inside the input or its left
    padding (aten/src/ATen/native/Pool.h)."""
    count = (size + 2 * padding - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _geometry(node: torch.fx.Node, h: int, w: int) -> tuple[tuple[int, int], ...]:
    """kernel, stride, padding and output size, each (rows, columns)."""
    a, spatial = arguments(node), _spatial(node)
    kernel, padding = pair(a["kernel_size"], spatial), pair(a["padding"], spatial, 0)
    stride = pair(a["stride"], spatial) if a["stride"] else kernel
    rows, columns = (
        _pool_size(size, kernel[i], stride[i], padding[i], a["ceil_mode"]) for i, size in enumerate((h, w))
    )
    return kernel, stride, padding, (rows, columns)


def _max_pool(importer: Importer, node: torch.fx.Node) -> Value:
    dilation = pair(arguments(node)["dilation"], _spatial(node))
    if dilation != (1, 1):
        raise refuse(node, "dilation", dilation, (1, 1))
    value, (c, h, w) = importer.image(node, importer.value(node), _spatial(node))
    kernel, stride, (top, left), out = _geometry(node, h, w)
    params = fp.MaxPool2d(kernel, stride, (top, top, left, left), (out[0], out[1]))
    return _emit(importer, node, params, value, (c, out[0], out[1]))


def _avg_pool(importer: Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    value, (c, h, w) = importer.image(node, importer.value(node), _spatial(node))
    kernel, stride, padding, out = _geometry(node, h, w)
    (rows, tall), (cols, wide) = (
        _windows(size, kernel[i], stride[i], padding[i], out[i], a["count_include_pad"])
        for i, size in enumerate((h, w))
    )
    fixed = a.get("divisor_override")
    if fixed is not None and fixed < 1:
        raise refuse(node, "divisor_override", fixed, "1 or more")
    divisors = tuple(tuple(fixed or y * x for x in wide) for y in tall)
    return _emit(importer, node, fp.AvgPool2d(rows, cols, divisors), value, (c, out[0], out[1]))


def _windows(
    size: int, kernel: int, stride: int, padding: int, count: int, include_pad: bool
) -> tuple[Spans, tuple[int, ...]]:
    """Windows clipped to the input along one axis, and how many positions of each the mean counts."""
    starts = [i * stride - padding for i in range(count)]
    windows = tuple((max(s, 0), min(s + kernel, size)) for s in starts)
    padded = (min(s + kernel, size + padding) - s for s in starts)
    return windows, tuple(padded) if include_pad else tuple(stop - start for start, stop in windows)


def _mean_over(rows: Spans, cols: Spans) -> fp.AvgPool2d | fp.Mean:
    if len(rows) == len(cols) == 1:
        return fp.Mean((rows[0][1] - rows[0][0]) * (cols[0][1] - cols[0][0]))
    return fp.AvgPool2d(rows, cols, tuple(tuple((r[1] - r[0]) * (s[1] - s[0]) for s in cols) for r in rows))


def _adaptive_avg_pool(importer: Importer, node: torch.fx.Node) -> Value:
    value, (c, h, w) = importer.image(node, importer.value(node), _spatial(node))
    out = pair(arguments(node)["output_size"], _spatial(node))
    params = _mean_over(adaptive_spans(h, out[0]), adaptive_spans(w, out[1]))
    return _emit(importer, node, params, value, (c, *out))


def _adaptive_max_pool(importer: Importer, node: torch.fx.Node) -> Value:
    value, (c, h, w) = importer.image(node, importer.value(node), _spatial(node))
    rows, columns = pair(arguments(node)["output_size"], _spatial(node))
    if h % rows or w % columns:
        raise refuse(node, "uneven windows,", f"({h}, {w}) to ({rows}, {columns})", "sizes that divide the input's")
    window = (h // rows, w // columns)
    params = fp.MaxPool2d(window, window, (0, 0, 0, 0), (rows, columns))
    return _emit(importer, node, params, value, (c, rows, columns))


def _reduction(importer: Importer, node: torch.fx.Node) -> Value:
    """Mean or maximum over any axes: they become the rows of an image whose channels are the others."""
    a, value = arguments(node), importer.value(node)
    reduced = _reduced_axes(a.get("dim"), len(value.shape))
    kept = [axis for axis in range(len(value.shape)) if axis not in reduced]
    rows, channels = (math.prod(value.shape[axis] for axis in axes) for axes in (reduced, kept))
    order, shape = (*reduced, *kept), (rows, 1, channels)
    image = importer.laid_out(value, value.shape, order, node_name(node), source_line(node), shape)
    params: fp.AvgPool2d | fp.MaxPool2d | fp.Mean = _mean_over(((0, rows),), ((0, 1),))
    if kind(node) == "amax":
        params = fp.MaxPool2d((rows, 1), (1, 1), (0, 0, 0, 0), (1, 1))
    result = importer.fresh(node.name, tuple(node.meta["val"].shape), (1, 1, channels), (0, 1, 2))
    importer.append(node_name(node), params, (image.tensor,), node.name, source_line(node))
    return result


def _reduced_axes(dim: Any, rank: int) -> list[int]:
    """All axes where torch names none."""
    axes = [dim] if isinstance(dim, int) else list(dim or range(rank))
    return sorted({axis % rank for axis in axes})


_DILATED = ("max_pool1d", "max_pool2d", "max_pool2d_with_indices")
_ADAPTIVE = ("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d")
FAMILY = (
    Layers(("MaxPool1d", "MaxPool2d"), "max_pool2d", "dilation 1, without indices", dict.fromkeys(_DILATED, _max_pool)),
    Layers(("AvgPool1d", "AvgPool2d"), "avg_pool2d", "", dict.fromkeys(("avg_pool1d", "avg_pool2d"), _avg_pool)),
    Layers(
        ("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"),
        "mean where one pixel is left, else avg_pool2d",
        "",
        dict.fromkeys(_ADAPTIVE, _adaptive_avg_pool),
    ),
    Layers(
        ("AdaptiveMaxPool1d", "AdaptiveMaxPool2d"),
        "max_pool2d",
        "sizes that divide the input's",
        dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive_max_pool),
    ),
    Layers(("mean", "amax"), "mean, max_pool2d", "over any axes", dict.fromkeys(("mean", "amax"), _reduction)),
)
