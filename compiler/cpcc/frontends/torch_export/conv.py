"""Convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.frontends.torch_export.importer import Handler, Importer, Value
from cpcc.frontends.torch_export.source import arguments, node_name, pair, refuse
from cpcc.ops import float_params as fp
from cpcc.optimize import to_float32

if TYPE_CHECKING:
    import torch


def _conv2d(importer: Importer, node: torch.fx.Node) -> Value:
    a = arguments(node)
    if a.get("transposed"):
        raise refuse(node, "transposed convolution", "", "Conv2d")
    if pair(a["dilation"]) != (1, 1):
        raise refuse(node, "dilation", pair(a["dilation"]), (1, 1))
    value, (c, h, w) = importer.image(node)
    weight = importer.required(node, "weight")
    out, _, kh, kw = weight.shape
    bias = importer.weight(node, "bias")
    bias = to_float32(np.zeros(out) if bias is None else bias, node_name(node))
    stride, padding = pair(a["stride"]), _conv_padding(a["padding"], kh, kw)
    params = _conv_params(node, weight, bias, stride, padding, c)
    rows = (h + padding[0] + padding[1] - kh) // stride[0] + 1
    columns = (w + padding[2] + padding[3] - kw) // stride[1] + 1
    return importer.emit(node, params, value, (*value.shape[:-3], out, rows, columns))


def _conv_params(
    node: torch.fx.Node,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    channels: int,
) -> fp.Conv2d | fp.DepthwiseConv2d:
    """From torch's (out, in / groups, kh, kw)."""
    groups = arguments(node)["groups"]
    if groups == 1:
        return fp.Conv2d(to_float32(weight.transpose(0, 2, 3, 1), node.name), bias, stride, padding)
    if groups == channels == len(weight):
        return fp.DepthwiseConv2d(to_float32(weight[:, 0].transpose(1, 2, 0), node.name), bias, stride, padding)
    supported = f"1, or {channels} with {channels} output channels (depthwise)"
    raise refuse(node, "groups", groups, supported)


def _conv_padding(padding: Any, kh: int, kw: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right). "same" puts an odd one at the bottom and right, as torch does."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        return ((kh - 1) // 2, kh // 2, (kw - 1) // 2, kw // 2)
    top, left = pair(padding)
    return (top, top, left, left)


HANDLERS: dict[str, Handler] = {
    "conv2d": _conv2d,
    "convolution": _conv2d,
}
