"""As `unrolled`, the constants apart from the weights: for layers with the same weights between tensors of other types."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.formats.rounding import ONCE, rounding_of
from cpcc.formats.unrolled import MAX_ROWS_APART, program_apart
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, Kernel, Packed
from cpcc.ops.linear import unrolled
from cpcc.ops.linear.paired import overlap

FILES = (*unrolled.FILES, "kernels/cpcc_linear_unrolled.h", "kernels/cpcc_linear_unrolled.c")


def pack(node: Node, graph: Graph) -> Packed:
    made, constants = program_apart(*unrolled.program_input(node))
    return unrolled.packed(node, "CPCC_UNROLLED_APART", made, {"constants": constants})


def applies(node: Node, graph: Graph) -> bool:
    rounding = rounding_of(node.params.output, node.params.weight)
    if rounding is None or rounding.kind != ONCE or len(node.params.weight) > MAX_ROWS_APART:
        return False
    return unrolled.applies(node, graph)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    """Those of `unrolled` with one rounding."""
    own = unrolled.features(node, graph)
    return (*own[:-2], own[-1])


KERNEL = Kernel(
    "linear_unrolled_apart", pack, fitted("linear_unrolled_apart", features), DSP, applies, sparse=True, program=True, tied=True,
    shared=FILES, overlap=overlap,
)  # fmt: skip
