"""Dense fully connected layer for the DSP extension in half the scratch, which may take the input's own memory."""

from __future__ import annotations

from cpcc.costs import fitted
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Kernel, Overlap, Packed
from cpcc.ops.linear import paired

FILES = (
    *STREAM_FILES, "kernels/cpcc_crossed.h", "kernels/cpcc_rows4.h", "kernels/cpcc_rows4_asm.h",
    "kernels/cpcc_rows4_narrow.c", "kernels/cpcc_saturate.h",
)  # fmt: skip


def pack(node: Node, graph: Graph) -> Packed:
    return paired.packed(node, 4 * paired.blocks_of(node))


def overlap(node: Node, graph: Graph) -> Overlap:
    """The input is copied, front to back and word by word, before the first output is written."""
    return Overlap(output=0, scratch=0)


KERNEL = Kernel(
    "linear_narrow", pack, fitted("linear_narrow", paired.features), DSP, paired.applies, shared=FILES, overlap=overlap
)
