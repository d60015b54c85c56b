"""Conv and ConvTranspose with constant weights."""

from __future__ import annotations

import numpy as np

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.conv import Padding, Pair, Window, convolve, spatial_axes, transposed
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer
from cpcc.frontends.onnx.operator import Operator
from cpcc.frontends.onnx.windows import Geometry, geometry, halves


def _bias(importer: Importer, op: Operator, outputs: int) -> np.ndarray | None:
    if not importer.has(op, 2):
        return None
    bias = importer.weights(op, 2, "B")
    if bias.shape != (outputs,):
        raise op.refuse("B of shape", bias.shape, f"({outputs},)")
    return bias


def _conv(importer: Importer, op: Operator) -> Value:
    weight, site = importer.weights(op, 1, "W"), op.site()
    spatial = spatial_axes(site, weight)
    value, (_, h, w) = importer.image(site, importer.value(op), spatial)
    own = geometry(op, weight.shape[2:], (h, w))
    window = Window(own.stride, own.padding, own.dilation)
    bias, scales = _bias(importer, op, len(weight)), importer.scales(op, 1, 0)
    return convolve(importer, site, value, weight, bias, window, op.attributes["group"], scales)


def _conv_transpose(importer: Importer, op: Operator) -> Value:
    weight, site, groups = importer.weights(op, 1, "W"), op.site(), op.attributes["group"]
    spatial = spatial_axes(site, weight)
    value, (_, h, w) = importer.image(site, importer.value(op), spatial)
    automatic = op.attributes.get("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER")
    own = geometry(op, weight.shape[2:], (h, w))
    extra = op.attributes.get("output_padding") or (0,) * spatial
    if len(extra) != spatial or min(extra) < 0 or max(extra) > max(*own.stride, *own.dilation):
        raise op.refuse("output_padding", extra, "0 to the stride")
    ends: Pair = (0, extra[0]) if spatial == 1 else (extra[0], extra[1])
    padding = own.padding
    if op.attributes.get("output_shape") or automatic:
        padding = _padding_for(op, own, (h, w), ends, spatial)
    window = Window(own.stride, padding, own.dilation, ends)
    bias, scales = _bias(importer, op, weight.shape[1] * groups), importer.scales(op, 1, 1)
    if scales is not None and len(scales) > 1:
        scales = np.tile(scales, groups)
    return transposed(importer, site, value, weight, bias, window, groups, scales)


def _padding_for(op: Operator, own: Geometry, sizes: Pair, extra: Pair, spatial: int) -> Padding:
    """What leaves the output shape that is asked for (ONNX operators, ConvTranspose)."""
    wanted = op.attributes.get("output_shape") or [n * s for n, s in zip(sizes, own.stride)][2 - spatial :]
    if len(wanted) < spatial or min(wanted) < 1:
        raise op.refuse("output_shape", wanted, "one size per axis")
    out = (1, wanted[-1]) if spatial == 1 else (wanted[-2], wanted[-1])
    full = (s * (n - 1) + e + k for s, n, e, k in zip(own.stride, sizes, extra, own.reach))
    upper = op.attributes.get("auto_pad") == "SAME_UPPER"
    (top, bottom), (left, right) = (halves(total - size, upper) for total, size in zip(full, out))
    return top, bottom, left, right


FAMILY = (
    Operators("conv2d, or depthwise_conv2d where group = channels",
              "1 and 2 axes; any strides, dilations, group, pads and auto_pad", {"Conv": _conv}),
    Operators("pad with zeros between the pixels, then conv2d", "1 and 2 axes; pads below the window",
              {"ConvTranspose": _conv_transpose}),
)  # fmt: skip
