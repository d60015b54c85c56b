"""The window of a depthwise convolution as the kernels see it that compute one row of a channel after the other."""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.graph import Graph, Node
from cpcc.ops.base import Overlap
from cpcc.ops.conv2d.geometry import is_line, laid_down, sizes
from cpcc.ops.overlap import strip_lag


@dataclass(frozen=True)
class Window:
    """`fields` of ``cpcc_window_t``, and rows and columns of the kernel."""

    fields: dict[str, int]
    kernel_h: int
    kernel_w: int


def window_of(node: Node, graph: Graph) -> Window:
    """A column of pixels is taken as a row: fewer rows to begin."""
    (kh, kw, _), fields = node.params.weight.shape, sizes(node, graph)
    return Window(laid_down(fields), 1, kh) if is_line(node, graph) else Window(fields, kh, kw)


def overlap_by_rows(node: Node, graph: Graph, kept: bool) -> Overlap:
    """Of a kernel that writes a row channel by channel, after it has copied padded rows (`kept` as of `strip_lag`). Where nothing is
    padded, no output pixel of a channel lies farther on than the inputs that its later pixels read: in place."""
    if not any(node.params.padding):
        return Overlap(in_place=True)
    if is_line(node, graph):  # copied as a whole
        return Overlap(output=0)
    return Overlap(output=strip_lag(node, graph, node.params.weight.shape[0], 1, kept))
