"""Very sparse convolution as a program of its own, for the DSP extension: two instructions for each product, nothing copied."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Node
from cpcc.ops import row_program
from cpcc.ops.base import DSP, Kernel, Overlap, Packed
from cpcc.ops.conv2d.geometry import flattened, sizes, tap_offsets
from cpcc.ops.overlap import conv_lag, strip_lag
from cpcc.ops.requantized import clamped_outputs
from cpcc.ops.row_program import RowLayer

LONG = 64  # pixels that a 1x1 convolution's rows of several image rows have at most


def rows_of(node: Node, graph: Graph) -> dict[str, int]:
    """Fields of the window, with the rows of a 1x1 convolution's image joined: fewer rows to begin, not so few that nothing may
    lie over the input."""
    fields = sizes(node, graph)
    if flattened(node, graph)["window.out_h"] == 1:
        height, width = fields["window.out_h"], fields["window.out_w"]
        joined = max(k for k in range(1, height + 1) if height % k == 0 and (k == 1 or k * width <= LONG))
        for side in ("in", "out"):
            fields |= {
                f"window.{side}_h": fields[f"window.{side}_h"] // joined,
                f"window.{side}_w": joined * fields[f"window.{side}_w"],
            }
    return fields


def layer_of(node: Node, graph: Graph) -> RowLayer:
    matrix, kernel_h = node.params.matrix, node.params.weight.shape[1]
    places = np.broadcast_to(tap_offsets(node, graph), matrix.shape)
    return RowLayer(rows_of(node, graph), kernel_h, matrix, places, node.params.output)


def pack(node: Node, graph: Graph) -> Packed:
    return row_program.pack(layer_of(node, graph))


def applies(node: Node, graph: Graph) -> bool:
    return row_program.applies(layer_of(node, graph))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return (*row_program.features(layer_of(node, graph)), clamped_outputs(node, graph))


def overlap(node: Node, graph: Graph) -> Overlap:
    """A row is written channel by channel; padded rows are copied into the strip before that."""
    if any(node.params.padding):
        return Overlap(output=strip_lag(node, graph, node.params.weight.shape[1], 1))
    width = rows_of(node, graph)["window.out_w"]
    return Overlap(output=conv_lag(node, graph, block=width, ahead=width))


KERNEL = Kernel(
    "conv2d_unrolled",
    pack,
    fitted("conv2d_unrolled", features),
    DSP,
    applies,
    sparse=True,
    program=True,
    shared=row_program.FILES,
    overlap=overlap,
)
