"""Sparse convolutions in portable C, four pixels at a time: of single weights, of weights of few levels, and of 1x4 blocks."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats import blocks8, runs
from cpcc.formats.nibbles import few_levels, sparse_bits, sparse_bytes
from cpcc.formats.rounding import is_tflite
from cpcc.formats.sparse import delta_entries
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed, Value
from cpcc.ops.conv2d import dense
from cpcc.ops.conv2d.geometry import flattened, image, pad_work, strip_bytes

FILES = ("include/cpcc_runs.h", "include/cpcc_pad.h", "include/cpcc_dsp.h", "kernels/cpcc_pad.c")
PIXELS = 4


def _single(node: Node) -> np.ndarray:
    def entries(row: np.ndarray) -> list[bytes]:
        return delta_entries(row, np.arange(len(row)))

    return runs.stream(node.params.matrix, node.params.weight.shape[1], entries)


def _blocks(node: Node) -> np.ndarray:
    def entries(row: np.ndarray) -> list[bytes]:
        return blocks8.entries(row, np.arange(len(row) // blocks8.BLOCK))

    return runs.stream(node.params.matrix, node.params.weight.shape[1], entries)


def _few(node: Node) -> np.ndarray:
    levels = few_levels(node.params.matrix)
    assert levels is not None
    bits = sparse_bits(levels.multiples)

    def entries(row: np.ndarray) -> list[bytes]:
        return [bytes((entry,)) for entry in sparse_bytes(row, bits)]

    return runs.stream(levels.multiples, node.params.weight.shape[1], entries)


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


def pack(node: Node, graph: Graph) -> Packed:
    return _packed(node, graph, _fields(node, graph, _single(node)))


def pack_blocks(node: Node, graph: Graph) -> Packed:
    return _packed(node, graph, _fields(node, graph, _blocks(node)))


def pack_few(node: Node, graph: Graph) -> Packed:
    levels = few_levels(node.params.matrix)
    assert levels is not None
    fields = {f"runs.{name}": value for name, value in _fields(node, graph, _few(node)).items()}
    return _packed(node, graph, {**fields, "steps": levels.steps, "bits": sparse_bits(levels.multiples)})


def in_blocks(node: Node, graph: Graph) -> bool:
    return bool(node.params.weight.shape[3] % blocks8.BLOCK == 0)


def of_few_levels(node: Node, graph: Graph) -> bool:
    return few_levels(node.params.matrix) is not None


def _work(node: Node, graph: Graph, stream: np.ndarray, entry_bytes: int) -> tuple[float, ...]:
    out, kh, _, _ = node.params.weight.shape
    height, width = image(node, graph)
    fours, rows = height * -(-width // PIXELS), runs.unpack(stream, out * kh, entry_bytes)
    filled, entries = sum(map(bool, rows)), sum(map(len, rows))
    return (
        1.0, height, fours, fours * out, fours * out * is_tflite(node.params.output), fours * len(rows), fours * filled, fours * entries,
        *pad_work(node, graph, kh),
    )  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return _work(node, graph, _single(node), 2)


def block_features(node: Node, graph: Graph) -> tuple[float, ...]:
    return _work(node, graph, _blocks(node), 1 + blocks8.BLOCK)


def few_features(node: Node, graph: Graph) -> tuple[float, ...]:
    return _work(node, graph, _few(node), 1)


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
