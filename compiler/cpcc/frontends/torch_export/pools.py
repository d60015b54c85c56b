"""Pooling and reductions of sequences and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.conv import Pair
from cpcc.frontends.channels_first.pools import adaptive_avg_pool, adaptive_max_pool, avg_pool, max_pool, reduction
from cpcc.frontends.torch_export.conv import pair
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, kind, refuse, site

if TYPE_CHECKING:
    import torch


def _spatial(node: torch.fx.Node) -> int:
    return 1 if "1d" in kind(node) else 2


def _pool_size(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """torch's pooling_output_shape: in ceil mode the last window must start inside the input or its left
    padding (aten/src/ATen/native/Pool.h)."""
    count = (size + 2 * padding - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _geometry(node: torch.fx.Node, h: int, w: int) -> tuple[Pair, Pair, Pair, Pair]:
    """kernel, stride, padding and output size, each (rows, columns)."""
    a, spatial = arguments(node), _spatial(node)
    kernel, padding = pair(a["kernel_size"], spatial), pair(a["padding"], spatial, 0)
    stride = pair(a["stride"], spatial) if a["stride"] else kernel
    rows, columns = (
        _pool_size(size, kernel[i], stride[i], padding[i], a["ceil_mode"]) for i, size in enumerate((h, w))
    )
    return kernel, stride, padding, (rows, columns)


def _max_pool(importer: Importer, node: torch.fx.Node) -> Value:
    spatial = _spatial(node)
    dilation = pair(arguments(node)["dilation"], spatial)
    if dilation != (1, 1):
        raise refuse(node, "dilation", dilation, (1, 1))
    value, (_, h, w) = importer.image(site(node), importer.value(node), spatial)
    kernel, stride, (top, left), out = _geometry(node, h, w)
    return max_pool(importer, site(node), value, kernel, stride, (top, top, left, left), out, spatial)


def _avg_pool(importer: Importer, node: torch.fx.Node) -> Value:
    a, spatial = arguments(node), _spatial(node)
    value, (_, h, w) = importer.image(site(node), importer.value(node), spatial)
    kernel, stride, (top, left), out = _geometry(node, h, w)
    fixed = a.get("divisor_override")
    if fixed is not None and fixed < 1:
        raise refuse(node, "divisor_override", fixed, "1 or more")
    padding = (top, top, left, left)
    include_pad = a["count_include_pad"]
    return avg_pool(importer, site(node), value, kernel, stride, padding, out, spatial, include_pad, fixed)


def _adaptive(importer: Importer, node: torch.fx.Node) -> Value:
    spatial = _spatial(node)
    pool = adaptive_max_pool if "max" in kind(node) else adaptive_avg_pool
    out = pair(arguments(node)["output_size"], spatial)
    return pool(importer, site(node), importer.value(node), out, spatial)


def _reduction(importer: Importer, node: torch.fx.Node) -> Value:
    value, out = importer.value(node), tuple(node.meta["val"].shape)
    axes = _reduced_axes(arguments(node).get("dim"), len(value.shape))
    return reduction(importer, site(node), value, axes, out, maximum=kind(node) == "amax")


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
        dict.fromkeys(_ADAPTIVE, _adaptive),
    ),
    Layers(
        ("AdaptiveMaxPool1d", "AdaptiveMaxPool2d"),
        "max_pool2d",
        "sizes that divide the input's",
        dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), _adaptive),
    ),
    Layers(("mean", "amax"), "mean, max_pool2d", "over any axes", dict.fromkeys(("mean", "amax"), _reduction)),
)
