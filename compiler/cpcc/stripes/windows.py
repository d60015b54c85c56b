"""Which rows a layer reads for a row of its output, and the layer that computes some of its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpcc.graph import Graph, Int8, Node
from cpcc.ops.add import QAdd
from cpcc.ops.avg_pool2d import QAvgPool2d
from cpcc.ops.conv2d import QConv2d
from cpcc.ops.depthwise_conv2d import QDepthwiseConv2d
from cpcc.ops.float_params import Concat, MaxPool2d
from cpcc.ops.lookup import QLookup
from cpcc.ops.mul import QMul
from cpcc.ops.relu import QRelu
from cpcc.ops.weighted_sum import QWeightedSum

ELEMENTWISE = (QRelu, QLookup, QAdd, QMul, QWeightedSum)
WORD = 4  # bytes: kernels that take an image as one run of elements read and write words


@dataclass(frozen=True, eq=False)
class Rows:
    """A layer row by row: output row i reads the input's rows ``starts[i]`` to ``stops[i]``; neither ever decreases."""

    node: Node
    axis: int
    starts: np.ndarray
    stops: np.ndarray

    @property
    def height(self) -> int:
        """Output rows."""
        return len(self.starts)

    def read(self, start: int, stop: int) -> tuple[int, int]:
        """The input's rows for the output's rows `start` to `stop`."""
        return int(self.starts[start]), int(self.stops[stop - 1])

    def params(self, start: int, stop: int) -> Any:
        """Parameters of the layer that computes the rows `start` to `stop` of the output from those that `read` gives."""
        return _band(self, start, stop)


def row_axis(graph: Graph, tensor: str) -> int:
    """The axis along which an image is cut: the outermost with more than one position."""
    return 1 if graph.tensors[tensor].shape[0] == 1 else 0


def rows_of(node: Node, graph: Graph) -> Rows | None:
    """`node` row by row; None where it is no such layer, or where a row is not whole words."""
    tensors = (*graph.input_tensors(node), graph.output_tensor(node))
    if any(len(t.shape) != 3 or not isinstance(t.type, Int8) for t in tensors):
        return None
    axis = row_axis(graph, node.inputs[0])
    if any(t.bytes // t.shape[axis] % WORD or (axis and t.shape[0] != 1) for t in tensors):
        return None
    found = _window(node, axis, tensors[0].shape[axis], tensors[-1].shape)
    if found is None or len({t.shape[axis] for t in tensors[:-1]}) > 1 or not (found[0] < found[1]).all():
        return None
    return Rows(node, axis, *found)


def _window(node: Node, axis: int, size: int, out: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    p = node.params
    positions = np.arange(out[axis])
    if isinstance(p, (QConv2d, QDepthwiseConv2d, MaxPool2d)):
        first = positions * p.stride[axis] - p.padding[2 * axis]
        return np.maximum(first, 0), np.minimum(first + _kernel(p)[axis], size)
    if isinstance(p, QAvgPool2d):
        spans = np.array((p.windows.rows, p.windows.cols)[axis])
        return spans[:, 0], spans[:, 1]
    rowwise = isinstance(p, ELEMENTWISE) or (isinstance(p, Concat) and p.axis > axis)
    return (positions, positions + 1) if rowwise and size == out[axis] else None


def _kernel(p: QConv2d | QDepthwiseConv2d | MaxPool2d) -> tuple[int, ...]:
    if isinstance(p, MaxPool2d):
        return p.kernel
    return p.weight.shape[1:3] if isinstance(p, QConv2d) else p.weight.shape[:2]


def _band(rows: Rows, start: int, stop: int) -> Any:
    p, axis = rows.node.params, rows.axis
    first, end = rows.read(start, stop)
    if isinstance(p, (QConv2d, QDepthwiseConv2d, MaxPool2d)):
        before = first - (start * p.stride[axis] - p.padding[2 * axis])
        behind = (stop - 1) * p.stride[axis] - p.padding[2 * axis] + _kernel(p)[axis] - end
        padding = (before, behind, *p.padding[2:]) if axis == 0 else (*p.padding[:2], before, behind)
        if not isinstance(p, MaxPool2d):
            return replace(p, padding=padding)
        size = (stop - start, p.out_size[1]) if axis == 0 else (p.out_size[0], stop - start)
        return replace(p, padding=padding, out_size=size)
    if isinstance(p, QAvgPool2d):
        return replace(p, windows=_averages(rows, start, stop, first))
    return p


def _averages(rows: Rows, start: int, stop: int, first: int) -> Any:
    whole = rows.node.params.windows
    spans = tuple((int(a) - first, int(b) - first) for a, b in zip(rows.starts[start:stop], rows.stops[start:stop]))
    if rows.axis == 0:
        return replace(whole, rows=spans, divisors=whole.divisors[start:stop])
    return replace(whole, cols=spans, divisors=tuple(row[start:stop] for row in whole.divisors))
