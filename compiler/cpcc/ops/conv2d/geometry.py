"""Sizes that the convolution kernels share: the window, its scratch, the image as a kernel sees it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from cpcc.graph import Graph, Node
from cpcc.ops.base import Overlap
from cpcc.ops.overlap import conv_lag, strip_lag
from cpcc.ops.windows import padded_bytes

T = TypeVar("T")


def geometry(node: Node, graph: Graph) -> dict[str, int | np.ndarray]:
    """Fields of the C struct ``cpcc_window_t``, in its order: sizes in elements of the unpadded input."""
    h, w, c = graph.tensors[node.inputs[0]].shape
    out_h, out_w, _ = graph.output_tensor(node).shape
    top, bottom, left, right = node.params.padding
    return {
        "window.in_h": h, "window.in_w": w, "window.channels": c,
        "window.out_h": out_h, "window.out_w": out_w,
        "window.stride_h": node.params.stride[0], "window.stride_w": node.params.stride[1],
        "window.top": top, "window.bottom": bottom, "window.left": left, "window.right": right,
        "window.pad_value": node.params.pad_value,
    }  # fmt: skip


def sizes(node: Node, graph: Graph) -> dict[str, int]:
    """`geometry` without arrays."""
    return {key: value for key, value in geometry(node, graph).items() if isinstance(value, int)}


def is_line(node: Node, graph: Graph) -> bool:
    """Whether image and kernel are one column wide: in memory the same as one row high."""
    return graph.tensors[node.inputs[0]].shape[1] == 1 and node.params.padding[2:] == (0, 0)


SWAPPED = {"in_h": "in_w", "out_h": "out_w", "stride_h": "stride_w", "top": "left", "bottom": "right"}


def laid_down(fields: dict[str, T]) -> dict[str, T]:
    """`geometry` with rows and columns exchanged, for an image that `is_line`."""
    other = {**SWAPPED, **{b: a for a, b in SWAPPED.items()}}
    names = {f"window.{a}": f"window.{b}" for a, b in other.items()}
    return {name: fields[names.get(name, name)] for name in fields}


def flattened(node: Node, graph: Graph) -> dict[str, int | np.ndarray]:
    """`geometry`, with the rows of a 1x1 convolution's image laid end to end: fewer rows, fewer ends of rows."""
    fields = geometry(node, graph)
    if node.params.weight.shape[1:3] == (1, 1) and node.params.stride == (1, 1) and not any(node.params.padding):
        h, w, _ = graph.output_tensor(node).shape
        fields |= {"window.in_h": 1, "window.in_w": h * w, "window.out_h": 1, "window.out_w": h * w}
    return fields


def strip_size(window: dict[str, int], kernel_h: int, outputs: int = 1) -> int:
    """Scratch of ``cpcc_strip`` for fields of ``cpcc_window_t``: the padded rows under `outputs` output rows; none without padding."""
    left, right, channels = (window[f"window.{key}"] for key in ("left", "right", "channels"))
    if not (left or right or window["window.top"] or window["window.bottom"]):
        return 0
    rows = kernel_h + (outputs - 1) * window["window.stride_h"]
    return rows * (window["window.in_w"] + left + right) * channels


def strip_bytes(node: Node, graph: Graph, kernel_h: int, outputs: int) -> int:
    """`strip_size` of a layer."""
    return strip_size(sizes(node, graph), kernel_h, outputs)


def strip_work(window: dict[str, int], kernel_h: int) -> tuple[float, ...]:
    """What ``cpcc_strip`` does for one output row after the other, as features of a cost: rows held already, rows of the image
    and of padding; sixteen bytes copied, four, and one; four and one of padding."""
    if not strip_size(window, kernel_h):
        return (0.0,) * 8
    names = ("in_h", "in_w", "channels", "top", "left", "right", "stride_h", "out_h")
    height, width, channels, top, left, right, stride, out_h = (window[f"window.{name}"] for name in names)
    kept, pitch, row = max(kernel_h - stride, 0), (left + width + right) * channels, width * channels
    fresh = [
        first + i
        for first in range(-top, out_h * stride - top, stride)
        for i in range(kept if first > -top else 0, kernel_h)
    ]
    inside = sum(0 <= y < height for y in fresh)
    moved, outside, borders = (out_h - 1) * (kept > 0), len(fresh) - inside, (left * channels, right * channels)

    def copied(unit: int, above: int) -> int:
        return moved * (kept * pitch % above // unit) + inside * (row % above // unit)

    fours, ones = (sum(b // 4 for b in borders), sum(b % 4 for b in borders))
    return (
        moved, inside, outside, copied(16, 2**31), copied(4, 16), copied(1, 4),
        inside * fours + outside * (pitch // 4), inside * ones + outside * (pitch % 4),
    )  # fmt: skip


def pad_work(node: Node, graph: Graph, kernel_h: int) -> tuple[float, ...]:
    """What ``cpcc_pad_rows`` does for all output rows, as features of a cost: rows of the image and of padding; four bytes copied,
    and one; one of padding."""
    if not any(node.params.padding):
        return (0.0,) * 5
    height, width, channels = graph.tensors[node.inputs[0]].shape
    top, _, left, right = node.params.padding
    stride, out_h = node.params.stride[0], graph.output_tensor(node).shape[0]
    rows = [first + i for first in range(-top, out_h * stride - top, stride) for i in range(kernel_h)]
    inside, row, borders = sum(0 <= y < height for y in rows), width * channels, (left + right) * channels
    outside = len(rows) - inside
    return inside, outside, inside * (row // 4), inside * (row % 4), inside * borders + outside * (row + borders)


def pad_overlap(node: Node, graph: Graph, kernel_h: int, block: int, ahead: int) -> Overlap:
    """Of a kernel that pads rows, where anything is padded, before it writes one output row; else it writes pixels as `conv_lag` has it."""
    if any(node.params.padding):
        return Overlap(output=strip_lag(node, graph, kernel_h, 1, kept=False))
    return Overlap(output=conv_lag(node, graph, block, ahead))


def padded_scratch(node: Node, graph: Graph) -> int:
    return padded_bytes(graph.tensors[node.inputs[0]].shape, node.params.padding)


def pixels(node: Node, graph: Graph) -> tuple[int, int]:
    """Output pixels computed in fours, which share each weight they load, and one by one at the end of a row."""
    out_h, out_w, _ = graph.output_tensor(node).shape
    return out_h * (out_w // 4 * 4), out_h * (out_w % 4)


def image(node: Node, graph: Graph) -> tuple[int, int]:
    """Output rows and columns as the kernels with a stream see them."""
    fields = flattened(node, graph)
    height, width = fields["window.out_h"], fields["window.out_w"]
    assert isinstance(height, int) and isinstance(width, int)
    return height, width


def tap_offsets(node: Node, graph: Graph) -> np.ndarray:
    """Where each weight of (kh, kw, in) meets the padded input, in elements from the window's origin."""
    _, w, c = graph.tensors[node.inputs[0]].shape
    _, kh, kw, _ = node.params.weight.shape
    row = (w + node.params.padding[2] + node.params.padding[3]) * c
    return (np.arange(kh)[:, None] * row + np.arange(kw * c)[None, :]).reshape(-1)
