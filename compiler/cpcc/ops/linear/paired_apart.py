"""As `paired`, the constants apart from the weights: for layers with the same weights between tensors of other types."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.crossed import crossed_streams_apart
from cpcc.formats.rounding import output_fields, rounding_of
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
        **output_fields(output, rounding.kind),
    }  # fmt: skip
    return Packed(fields, 8 * blocks)


KERNEL = Kernel(
    "linear_paired_apart", pack, fitted("linear_paired_apart", paired.features), DSP, paired.applies, tied=True, shared=FILES,
    overlap=paired.overlap,
)  # fmt: skip
