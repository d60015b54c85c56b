"""Convolutions of sequences and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.conv import Padding, Window, as_image, convolve, spatial_axes, transposed
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, numbers, refuse, site

if TYPE_CHECKING:
    import torch


def _conv(importer: Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    if a.get("transposed"):
        raise refuse(node, "transposed convolution", "", "ConvTranspose2d as torch.export.export writes it")
    weight = importer.required(node, "weight")
    spatial = spatial_axes(site(node), weight)
    dilation = pair(a["dilation"], spatial, 1)
    window = Window(pair(a["stride"], spatial), _padding(a["padding"], weight, dilation, spatial), dilation)
    bias = importer.weight(node, "bias")
    return convolve(importer, site(node), importer.value(node), weight, bias, window, a["groups"])


def pair(value: Any, spatial: int, other: int = 1) -> tuple[int, int]:
    """(rows, columns) of torch's ``2``, ``[2]`` or ``[2, 3]``; of a sequence, rows get `other`."""
    values = numbers(value)
    if spatial == 1:
        return other, values[0]
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _padding(padding: Any, weight: np.ndarray, dilation: tuple[int, int], spatial: int) -> Padding:
    """(top, bottom, left, right). "same" puts an odd one at the bottom and right, as torch does."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        tall, wide = ((size - 1) * d for size, d in zip(as_image(weight).shape[2:], dilation))
        return (tall // 2, tall - tall // 2, wide // 2, wide - wide // 2)
    top, left = pair(padding, spatial, 0)
    return (top, top, left, left)


def _transposed(importer: Importer, node: torch.fx.Node) -> Value:
    a, weight = arguments(node), importer.required(node, "weight")
    spatial = spatial_axes(site(node), weight)
    top, left = pair(a["padding"], spatial, 0)
    extra = pair(a["output_padding"], spatial, 0)
    window = Window(pair(a["stride"], spatial), (top, top, left, left), pair(a["dilation"], spatial), extra)
    bias = importer.weight(node, "bias")
    return transposed(importer, site(node), importer.value(node), weight, bias, window, a["groups"])


_CONV = dict.fromkeys(("conv1d", "conv2d", "convolution"), _conv)
_TRANSPOSED = dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), _transposed)
FAMILY = (
    Layers(("Conv1d", "Conv2d"), "conv2d, or depthwise_conv2d where groups = channels",
           "any stride, dilation, groups and padding ('same' too); padding_mode 'zeros'. Other groups and dilation become "
           "zero weights, which the sparse kernel skips", _CONV),
    Layers(("ConvTranspose1d", "ConvTranspose2d"), "pad with zeros between the pixels, then conv2d",
           "padding below the window", _TRANSPOSED),
)  # fmt: skip
