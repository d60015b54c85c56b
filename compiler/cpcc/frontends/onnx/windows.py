"""Geometry of windows as the operators' attributes say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cpcc.frontends.channels_first.conv import Padding, Pair
from cpcc.frontends.onnx.operator import Operator

LARGEST = 2**12


@dataclass(frozen=True)
class Geometry:
    """Per axis (rows, columns): a sequence is an image one row high."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: Padding

    @property
    def reach(self) -> Pair:
        """Size of the window with what its dilation leaves out."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1


def geometry(op: Operator, kernel: Sequence[int], sizes: Pair) -> Geometry:
    """Of a window of `kernel` (k,) or (kh, kw) on an image of `sizes`."""
    spatial = len(kernel)
    stride = _pair(op, "strides", op.attributes.get("strides") or (1,) * spatial, spatial, 1)
    dilation = _pair(op, "dilations", op.attributes.get("dilations") or (1,) * spatial, spatial, 1)
    own = Geometry(_pair(op, "kernel_shape", kernel, spatial, 1), stride, dilation, (0, 0, 0, 0))
    return Geometry(own.kernel, stride, dilation, _padding(op, own, sizes, spatial))


def _pair(op: Operator, what: str, values: Sequence[int], spatial: int, lowest: int) -> Pair:
    if spatial not in (1, 2) or len(values) != spatial or min(values) < lowest or max(values) > LARGEST:
        raise op.refuse(what, tuple(values), f"one or two values from {lowest} to {LARGEST}")
    return (1, values[0]) if spatial == 1 else (values[0], values[1])


def _padding(op: Operator, own: Geometry, sizes: Pair, spatial: int) -> Padding:
    """(top, bottom, left, right)."""
    kind = op.attributes.get("auto_pad", "NOTSET")
    if kind == "NOTSET":
        pads = op.attributes.get("pads") or (0,) * (2 * spatial)
        if len(pads) != 2 * spatial or min(pads) < 0 or max(pads) > LARGEST:
            raise op.refuse("pads", pads, f"{2 * spatial} values from 0 to {LARGEST}")
        return (pads[0], pads[2], pads[1], pads[3]) if spatial == 2 else (0, 0, pads[0], pads[1])
    if kind == "VALID":
        return (0, 0, 0, 0)
    if kind not in ("SAME_UPPER", "SAME_LOWER"):
        raise op.refuse("auto_pad", kind, "NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    totals = (max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(sizes, own.stride, own.reach))
    (top, bottom), (left, right) = (halves(total, kind == "SAME_UPPER") for total in totals)
    return top, bottom, left, right


def halves(total: int, upper: bool) -> Pair:
    """`total` as two halves; an odd one more at the end where `upper`."""
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def pooled_sizes(own: Geometry, sizes: Pair, ceil: bool) -> Pair:
    """Output size. With `ceil` the last window must begin inside the input or the padding before it."""
    ends = (own.padding[:2], own.padding[2:])
    rows, columns = (
        _pooled(n, own.reach[i], own.stride[i], ends[i], ceil) for i, n in enumerate(sizes)
    )  # fmt: skip
    return rows, columns


def _pooled(size: int, kernel: int, stride: int, padding: Sequence[int], ceil: bool) -> int:
    count = (size + sum(padding) - kernel + (stride - 1 if ceil else 0)) // stride + 1
    return count - 1 if ceil and (count - 1) * stride >= size + padding[0] else count
