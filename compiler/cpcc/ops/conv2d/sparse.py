"""Sparse convolutions in portable C, four pixels at a time: of single weights, of weights of few levels, and of 1x4 blocks."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats import blocks8, runs
from cpcc.formats.nibbles import FewLevels, few_levels, sparse_bits, sparse_bytes
from cpcc.formats.rounding import is_tflite
from cpcc.formats.sparse import delta_entries
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed, Value
from cpcc.ops.conv2d import dense
from cpcc.ops.conv2d.geometry import flattened, image, pad_work, strip_bytes

FILES = ("include/cpcc_runs.h", "include/cpcc_pad.h", "include/cpcc_dsp.h", "kernels/cpcc_pad.c")
PIXELS = 4


def _single(row: np.ndarray) -> list[bytes]:
    return delta_entries(row, np.arange(len(row)))


def _block(row: np.ndarray) -> list[bytes]:
    return blocks8.entries(row, np.arange(len(row) // blocks8.BLOCK))


def _few(multiples: np.ndarray) -> runs.Entries:
    bits = sparse_bits(multiples)
    return lambda row: [bytes((entry,)) for entry in sparse_bytes(row, bits)]


def _levels(node: Node) -> FewLevels:
    levels = few_levels(node.params.matrix)
    assert levels is not None
    return levels


def _fields(node: Node, graph: Graph, stream: np.ndarray) -> dict[str, Value]:
    out, kh, _, _ = node.params.weight.shape
    return {
        **flattened(node, graph),
        "kernel_h": kh,
        "out_channels": out,
        "stream": stream,
        **node.params.output.fields(),
    }


def _packed(node: Node, graph: Graph, fields: dict[str, Value]) -> Packed:
    return Packed(fields, strip_bytes(node, graph, node.params.weight.shape[1], 1), node.params.output.entry)


def _stream(node: Node, matrix: np.ndarray, entries: runs.Entries) -> np.ndarray:
    return runs.stream(matrix, node.params.weight.shape[1], entries)


def pack(node: Node, graph: Graph) -> Packed:
    return _packed(node, graph, _fields(node, graph, _stream(node, node.params.matrix, _single)))


def pack_blocks(node: Node, graph: Graph) -> Packed:
    return _packed(node, graph, _fields(node, graph, _stream(node, node.params.matrix, _block)))


def pack_few(node: Node, graph: Graph) -> Packed:
    levels = _levels(node)
    stream = _stream(node, levels.multiples, _few(levels.multiples))
    fields = {f"runs.{name}": value for name, value in _fields(node, graph, stream).items()}
    return _packed(node, graph, {**fields, "steps": levels.steps, "bits": sparse_bits(levels.multiples)})


def in_blocks(node: Node, graph: Graph) -> bool:
    return bool(node.params.weight.shape[3] % blocks8.BLOCK == 0)


def of_few_levels(node: Node, graph: Graph) -> bool:
    return few_levels(node.params.matrix) is not None


def _work(node: Node, graph: Graph, matrix: np.ndarray, entries: runs.Entries) -> tuple[float, ...]:
    out, kh, _, _ = node.params.weight.shape
    height, width = image(node, graph)
    fours, counts = height * -(-width // PIXELS), [len(entries(row)) for row in runs.kernel_rows(matrix, kh)]
    filled = sum(map(bool, counts))
    return (
        1.0, height, fours, fours * out, fours * out * is_tflite(node.params.output), fours * len(counts), fours * filled, fours * sum(counts),
        *pad_work(node, graph, kh),
    )  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return _work(node, graph, node.params.matrix, _single)


def block_features(node: Node, graph: Graph) -> tuple[float, ...]:
    return _work(node, graph, node.params.matrix, _block)


def few_features(node: Node, graph: Graph) -> tuple[float, ...]:
    multiples = _levels(node).multiples
    return _work(node, graph, multiples, _few(multiples))


KERNEL = Kernel(
    "conv2d_sparse", pack, fitted("conv2d_sparse", features), sparse=True, shared=FILES, overlap=dense.overlap
)
BLOCKS = Kernel(
    "conv2d_blocks", pack_blocks, fitted("conv2d_blocks", block_features), applies=in_blocks, sparse=True, shared=FILES, overlap=dense.overlap
)  # fmt: skip
FEW = Kernel(
    "conv2d_few", pack_few, fitted("conv2d_few", few_features), applies=of_few_levels, sparse=True,
    shared=(*FILES, "include/cpcc_nibbles.h"), overlap=dense.overlap,
)  # fmt: skip
