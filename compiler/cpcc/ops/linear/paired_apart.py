"""As `paired`, the constants apart from the weights: for layers with the same weights between tensors of other types."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.crossed import crossable, crossed_streams_apart
from cpcc.formats.rounding import ONCE, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.linear import paired

FILES = (*paired.FILES, "kernels/cpcc_rows4_apart.c")


def pack(node: Node, graph: Graph) -> Packed:
    weight, output, blocks = node.params.weight, node.params.output, paired.blocks_of(node)
    rounding = rounding_of(output, weight)
    assert rounding is not None
    stream, constants = crossed_streams_apart(weight, rounding, 4 * blocks)
    fields: dict[str, int | np.ndarray] = {
        "blocks": blocks, "out_features": len(weight), "stream": stream, "constants": constants,
        "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, 8 * blocks)


def applies(node: Node, graph: Graph) -> bool:
    rounding = rounding_of(node.params.output, node.params.weight)
    return crossable(node.params.weight) and rounding is not None and rounding.kind == ONCE


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    """Those of `paired` with one rounding."""
    own = paired.features(node, graph)
    return (*own[:4], *own[5:])


KERNEL = Kernel(
    "linear_paired_apart", pack, fitted("linear_paired_apart", features), DSP, applies, tied=True, shared=FILES,
    overlap=paired.overlap,
)  # fmt: skip
