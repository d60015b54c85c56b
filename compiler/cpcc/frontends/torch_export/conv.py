"""Convolutions of sequences and images; a sequence is an image one row high."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer, Value
from cpcc.frontends.torch_export.source import arguments, node_name, numbers, refuse
from cpcc.ops import float_params as fp
from cpcc.ops.windows import conv_output_size
from cpcc.optimize import to_float32

if TYPE_CHECKING:
    import torch

Padding = tuple[int, int, int, int]


def _conv(importer: Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    if a.get("transposed"):
        raise refuse(node, "transposed convolution", "", "ConvTranspose2d as torch.export.export writes it")
    weight = importer.required(node, "weight")
    spatial = weight.ndim - 2
    if spatial not in (1, 2):
        raise refuse(node, "a window with", f"{spatial} axes", "1 or 2")
    value, (c, h, w) = importer.image(node, importer.value(node), spatial)
    stride, dilation = pair(a["stride"], spatial), pair(a["dilation"], spatial, 1)
    weight = dilated(weight.reshape(*weight.shape[:2], *_window(weight)), dilation)
    padding = _padding(a["padding"], weight.shape[2:], spatial)
    params = convolution(node, grouped(weight, a["groups"], c), importer.weight(node, "bias"), stride, padding)
    rows, columns = conv_output_size(h, w, weight.shape[2:], stride, padding)
    image = (len(weight), rows, columns)
    shape = (*value.shape[: -spatial - 1], len(weight), *((rows, columns) if spatial == 2 else (columns,)))
    return importer.emit_image(node, params, (value,), shape, image)


def _window(weight: np.ndarray) -> tuple[int, ...]:
    return weight.shape[2:] if weight.ndim == 4 else (1, weight.shape[2])


def pair(value: Any, spatial: int, other: int = 1) -> tuple[int, int]:
    """(rows, columns) of torch's ``2``, ``[2]`` or ``[2, 3]``; of a sequence, rows get `other`."""
    values = numbers(value)
    if spatial == 1:
        return other, values[0]
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def dilated(weight: np.ndarray, dilation: tuple[int, int]) -> np.ndarray:
    """(out, in, kh, kw) with zeros between the taps: kernels need no dilation, and the sparse ones skip zeros."""
    out, channels, kh, kw = weight.shape
    spread = np.zeros((out, channels, (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1))
    spread[:, :, :: dilation[0], :: dilation[1]] = weight
    return spread


def grouped(weight: np.ndarray, groups: int, channels: int) -> np.ndarray:
    """torch's (out, in / groups, kh, kw) over all input channels, zero outside a group; depthwise stays as it is."""
    if groups == 1 or (groups == channels == len(weight)):
        return weight
    out, inner = weight.shape[:2]
    full = np.zeros((out, inner * groups, *weight.shape[2:]))
    for group in range(groups):
        rows = slice(group * out // groups, (group + 1) * out // groups)
        full[rows, group * inner : (group + 1) * inner] = weight[rows]
    return full


def convolution(
    node: torch.fx.Node, weight: np.ndarray, bias: np.ndarray | None, stride: tuple[int, int], padding: Padding
) -> fp.Conv2d | fp.DepthwiseConv2d:
    """From (out, in, kh, kw), or (out, 1, kh, kw) with `groups` = out for a depthwise one."""
    name = node_name(node)
    bias = to_float32(np.zeros(len(weight)) if bias is None else bias, name)
    if weight.shape[1] == 1 and arguments(node)["groups"] == len(weight) > 1:
        return fp.DepthwiseConv2d(to_float32(weight[:, 0].transpose(1, 2, 0), name), bias, stride, padding)
    return fp.Conv2d(to_float32(weight.transpose(0, 2, 3, 1), name), bias, stride, padding)


def _padding(padding: Any, window: tuple[int, ...], spatial: int) -> Padding:
    """(top, bottom, left, right). "same" puts an odd one at the bottom and right, as torch does."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        kh, kw = window
        return ((kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2)
    top, left = pair(padding, spatial, 0)
    return (top, top, left, left)


def _transposed(importer: Importer, node: torch.fx.Node) -> Value:
    """Zeros between the input's pixels, then a convolution with the kernel turned around (Dumoulin and Visin 2016)."""
    a = arguments(node)
    weight = importer.required(node, "weight")  # (in, out / groups, kh, kw)
    spatial = weight.ndim - 2
    if spatial not in (1, 2):
        raise refuse(node, "a window with", f"{spatial} axes", "1 or 2")
    value, (_, h, w) = importer.image(node, importer.value(node), spatial)
    stride, padding = pair(a["stride"], spatial), pair(a["padding"], spatial, 0)
    extra, dilation = pair(a["output_padding"], spatial, 0), pair(a["dilation"], spatial)
    weight = _turned(weight.reshape(*weight.shape[:2], *_window(weight)), a["groups"])
    weight = dilated(weight, dilation)
    borders = [size - 1 - p for size, p in zip(weight.shape[2:], padding)]
    if min(borders) < 0:
        raise refuse(node, "padding", padding, f"below the window {weight.shape[2:]}")
    between = (stride[0] - 1, stride[1] - 1, 0)
    after = (borders[0] + extra[0], borders[1] + extra[1], 0)
    spread = importer.padded(node, value, fp.Pad((borders[0], borders[1], 0), after, between))
    rows, columns = ((s - 1) * t + 1 + b + e for s, t, b, e in zip((h, w), stride, borders, after))
    out = (len(weight), rows - weight.shape[2] + 1, columns - weight.shape[3] + 1)
    shape = (*value.shape[: -spatial - 1], out[0], *(out[1:] if spatial == 2 else out[2:]))
    bias = importer.weight(node, "bias")
    params = convolution(node, weight, bias, (1, 1), (0, 0, 0, 0))
    return importer.emit_image(node, params, (spread,), shape, out)


def _turned(weight: np.ndarray, groups: int) -> np.ndarray:
    """torch's (in, out / groups, kh, kw) as a convolution's (out, in, kh, kw), turned by 180 degrees."""
    inputs, inner = weight.shape[:2]
    flipped = weight[:, :, ::-1, ::-1].reshape(groups, inputs // groups, inner, *weight.shape[2:])
    flat = flipped.transpose(0, 2, 1, 3, 4).reshape(groups * inner, inputs // groups, *weight.shape[2:])
    return grouped(flat, groups, inputs)


_CONV = dict.fromkeys(("conv1d", "conv2d", "convolution"), _conv)
_TRANSPOSED = dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), _transposed)
FAMILY = (
    Layers(("Conv1d", "Conv2d"), "conv2d, or depthwise_conv2d where groups = channels",
           "any stride, dilation, groups and padding ('same' too); padding_mode 'zeros'. Other groups and dilation become "
           "zero weights, which the sparse kernel skips", _CONV),
    Layers(("ConvTranspose1d", "ConvTranspose2d"), "pad with zeros between the pixels, then conv2d",
           "padding below the window", _TRANSPOSED),
)  # fmt: skip
