"""Pooling and reductions of sequences and images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.conv import Padding, Pair, image_shape
from cpcc.frontends.channels_first.site import Site
from cpcc.ops import float_params as fp
from cpcc.ops.avg_pool2d import adaptive_spans

Spans = tuple[tuple[int, int], ...]


def max_pool(
    builder: GraphBuilder, site: Site, value: Value, kernel: Pair, stride: Pair, padding: Padding, out: Pair,
    spatial: int,
) -> Value:  # fmt: skip
    """Maximum over windows; `out` (rows, columns)."""
    value, (c, _, _) = builder.image(site, value, spatial)
    params = fp.MaxPool2d(kernel, stride, padding, out)
    return _emit(builder, site, params, value, (c, *out), spatial)


def avg_pool(
    builder: GraphBuilder, site: Site, value: Value, kernel: Pair, stride: Pair, padding: Padding, out: Pair,
    spatial: int, include_pad: bool, divisor: int | None = None,
) -> Value:  # fmt: skip
    """Mean over windows; `divisor` replaces the number of positions that are counted."""
    value, (c, h, w) = builder.image(site, value, spatial)
    top, bottom, left, right = padding
    rows, tall = _windows(h, kernel[0], stride[0], (top, bottom), out[0], include_pad)
    cols, wide = _windows(w, kernel[1], stride[1], (left, right), out[1], include_pad)
    divisors = tuple(tuple(divisor or y * x for x in wide) for y in tall)
    return _emit(builder, site, fp.AvgPool2d(rows, cols, divisors), value, (c, *out), spatial)


def adaptive_avg_pool(builder: GraphBuilder, site: Site, value: Value, out: Pair, spatial: int) -> Value:
    """Mean over `out` (rows, columns) windows that cover the image."""
    value, (c, h, w) = builder.image(site, value, spatial)
    params = _mean_over(adaptive_spans(h, out[0]), adaptive_spans(w, out[1]))
    return _emit(builder, site, params, value, (c, *out), spatial)


def adaptive_max_pool(builder: GraphBuilder, site: Site, value: Value, out: Pair, spatial: int) -> Value:
    """Maximum over `out` (rows, columns) equal windows."""
    value, (c, h, w) = builder.image(site, value, spatial)
    if h % out[0] or w % out[1]:
        raise site.refuse("uneven windows,", f"({h}, {w}) to {out}", "sizes that divide the input's")
    window = (h // out[0], w // out[1])
    return _emit(builder, site, fp.MaxPool2d(window, window, (0, 0, 0, 0), out), value, (c, *out), spatial)


def reduction(
    builder: GraphBuilder, site: Site, value: Value, axes: Sequence[int], out: tuple[int, ...], maximum: bool
) -> Value:
    """Mean or maximum over `axes`: they become the rows of an image whose channels are the others."""
    reduced = sorted({axis % len(value.shape) for axis in axes})
    kept = [axis for axis in range(len(value.shape)) if axis not in reduced]
    rows, channels = (math.prod(value.shape[axis] for axis in axes) for axes in (reduced, kept))
    image = builder.laid_out(value, value.shape, (*reduced, *kept), site, (rows, 1, channels))
    params: fp.AvgPool2d | fp.MaxPool2d | fp.Mean = _mean_over(((0, rows),), ((0, 1),))
    if maximum:
        params = fp.MaxPool2d((rows, 1), (1, 1), (0, 0, 0, 0), (1, 1))
    result = builder.fresh(site.output, out, (1, 1, channels), (0, 1, 2))
    builder.append(site.name, params, (image.tensor,), site.output, site.line)
    return result


def _emit(
    builder: GraphBuilder, site: Site, params: fp.MaxPool2d | fp.AvgPool2d | fp.Mean, value: Value,
    image: tuple[int, int, int], spatial: int,
) -> Value:  # fmt: skip
    return builder.emit_image(site, params, (value,), image_shape(value, spatial, image), image)


def _windows(
    size: int, kernel: int, stride: int, padding: Pair, count: int, include_pad: bool
) -> tuple[Spans, tuple[int, ...]]:
    """Windows clipped to the input along one axis, and how many positions of each the mean counts."""
    starts = [i * stride - padding[0] for i in range(count)]
    windows = tuple((max(s, 0), min(s + kernel, size)) for s in starts)
    padded = (min(s + kernel, size + padding[1]) - s for s in starts)
    return windows, tuple(padded) if include_pad else tuple(stop - start for start, stop in windows)


def _mean_over(rows: Spans, cols: Spans) -> fp.AvgPool2d | fp.Mean:
    if len(rows) == len(cols) == 1:
        return fp.Mean((rows[0][1] - rows[0][0]) * (cols[0][1] - cols[0][0]))
    return fp.AvgPool2d(rows, cols, tuple(tuple((r[1] - r[0]) * (s[1] - s[0]) for s in cols) for r in rows))
