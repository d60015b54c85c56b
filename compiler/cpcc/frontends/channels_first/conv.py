"""Convolutions of sequences and images; a sequence is an image one row high."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.linear import offsets
from cpcc.frontends.channels_first.site import Site
from cpcc.ops import float_params as fp
from cpcc.ops.windows import conv_output_size
from cpcc.passes.batch_norm import to_float32

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
MAX_WEIGHTS = 2**24  # with the zeros of groups and dilation


@dataclass(frozen=True)
class Window:
    """How a filter moves: (rows, columns) each, `padding` (top, bottom, left, right); `extra` (rows, columns) are added at
    the end of a transposed convolution's output."""

    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    extra: Pair = (0, 0)


def convolve(
    builder: GraphBuilder, site: Site, value: Value, weight: np.ndarray, bias: np.ndarray | None, window: Window,
    groups: int, scales: np.ndarray | None = None,
) -> Value:  # fmt: skip
    """Correlation with `weight` (out, in / groups, kh, kw) or (out, in / groups, k), `bias` (out,). `scales` are those of
    weights that are quantized already."""
    spatial = spatial_axes(site, weight)
    value, (c, h, w) = builder.image(site, value, spatial)
    if groups < 1 or len(weight) % groups or weight.shape[1] * groups != c:
        raise site.refuse("weights", f"{weight.shape} of {groups} groups", f"(n * {groups}, {c} / {groups}, ...)")
    kernel = dilated(site, as_image(weight), window.dilation)
    full = grouped(site, kernel, groups, c)
    depthwise = full.shape[1] == 1 and groups == len(full) > 1
    params = _parameters(site, full, bias, depthwise, window.stride, window.padding, scales)
    out = (len(weight), *conv_output_size(h, w, kernel.shape[2:], window.stride, window.padding))
    if min(out) < 1:
        raise site.refuse("a window of", f"{kernel.shape[2:]} on ({h}, {w})", "windows that fit the padded input")
    return builder.emit_image(site, params, (value,), image_shape(value, spatial, out), out)


def transposed(
    builder: GraphBuilder, site: Site, value: Value, weight: np.ndarray, bias: np.ndarray | None, window: Window,
    groups: int, scales: np.ndarray | None = None,
) -> Value:  # fmt: skip
    """Zeros between the input's pixels, then a convolution with the kernel turned around (Dumoulin and Visin 2016).
    `weight` (in, out / groups, kh, kw)."""
    spatial = spatial_axes(site, weight)
    value, (c, _, _) = builder.image(site, value, spatial)
    if groups < 1 or len(weight) % groups or len(weight) != c:
        raise site.refuse("weights", f"{weight.shape} of {groups} groups", f"({c}, ...), {c} a multiple of the groups")
    kernel = dilated(site, _turned(site, as_image(weight), groups), window.dilation)
    kh, kw = kernel.shape[2:]
    top, bottom, left, right = (size - 1 - p for size, p in zip((kh, kh, kw, kw), window.padding))
    if min(top, bottom, left, right) < 0:
        raise site.refuse("padding", window.padding, f"below the window {kernel.shape[2:]}")
    between = (window.stride[0] - 1, window.stride[1] - 1, 0)
    after = (bottom + window.extra[0], right + window.extra[1], 0)
    spread = builder.padded(site, value, fp.Pad((top, left, 0), after, between))
    tall, wide, _ = builder.tensors[spread.tensor].shape
    out = (len(kernel), tall - kh + 1, wide - kw + 1)
    depthwise = kernel.shape[1] == 1 and groups == len(kernel) > 1
    params = _parameters(site, kernel, bias, depthwise, (1, 1), (0, 0, 0, 0), scales)
    return builder.emit_image(site, params, (spread,), image_shape(value, spatial, out), out)


def spatial_axes(site: Site, weight: np.ndarray) -> int:
    """1 for a sequence's filter, 2 for an image's."""
    if weight.ndim not in (3, 4):
        raise site.refuse("a window with", f"{weight.ndim - 2} axes", "1 or 2")
    return weight.ndim - 2


def image_shape(value: Value, spatial: int, image: tuple[int, ...]) -> tuple[int, ...]:
    """The source's shape of the result `image` (c, h, w) of `value`."""
    return (*value.shape[: -spatial - 1], image[0], *(image[1:] if spatial == 2 else image[2:]))


def as_image(weight: np.ndarray) -> np.ndarray:
    """(out, in, k) as (out, in, 1, k)."""
    return weight if weight.ndim == 4 else weight[:, :, None, :]


def dilated(site: Site, weight: np.ndarray, dilation: Pair) -> np.ndarray:
    """(out, in, kh, kw) with zeros between the taps: kernels need no dilation, and the sparse ones skip zeros."""
    out, channels, kh, kw = weight.shape
    if dilation == (1, 1):
        return weight
    size = ((kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1)
    _check_size(site, (out, channels, *size))
    spread = np.zeros((out, channels, *size))
    spread[:, :, :: dilation[0], :: dilation[1]] = weight
    return spread


def grouped(site: Site, weight: np.ndarray, groups: int, channels: int) -> np.ndarray:
    """(out, in / groups, kh, kw) over all input channels, zero outside a group; depthwise stays as it is."""
    if groups == 1 or (groups == channels == len(weight)):
        return weight
    out, inner = weight.shape[:2]
    _check_size(site, (out, inner * groups, *weight.shape[2:]))
    full = np.zeros((out, inner * groups, *weight.shape[2:]))
    for group in range(groups):
        rows = slice(group * out // groups, (group + 1) * out // groups)
        full[rows, group * inner : (group + 1) * inner] = weight[rows]
    return full


def _check_size(site: Site, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MAX_WEIGHTS:
        raise site.refuse(
            "groups or dilation with",
            f"{math.prod(shape):,} weights",
            f"up to {MAX_WEIGHTS:,} with the zeros between them",
        )


def _parameters(
    site: Site, weight: np.ndarray, bias: np.ndarray | None, depthwise: bool, stride: Pair, padding: Padding,
    scales: np.ndarray | None,
) -> fp.Conv2d | fp.DepthwiseConv2d:  # fmt: skip
    """From (out, in, kh, kw), or (out, 1, kh, kw) for a depthwise one."""
    kind = fp.DepthwiseConv2d if depthwise else fp.Conv2d
    kernel = weight[:, 0].transpose(1, 2, 0) if depthwise else weight.transpose(0, 2, 3, 1)
    biases = offsets(site, len(weight), bias, scales)
    return kind(to_float32(kernel, site.name), biases, stride, padding, weight_scales=scales)


def _turned(site: Site, weight: np.ndarray, groups: int) -> np.ndarray:
    """(in, out / groups, kh, kw) as a convolution's (out, in, kh, kw), turned by 180 degrees."""
    inputs, inner = weight.shape[:2]
    flipped = weight[:, :, ::-1, ::-1].reshape(groups, inputs // groups, inner, *weight.shape[2:])
    flat = flipped.transpose(0, 2, 1, 3, 4).reshape(groups * inner, inputs // groups, *weight.shape[2:])
    return grouped(site, flat, groups, inputs)
