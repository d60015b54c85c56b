"""Sparse fully connected layer as straight-line code of its own, for the DSP extension: fast, for about the flash of dense weights."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.paired import widened_order
from cpcc.formats.rounding import Rounding, rounding_of
from cpcc.formats.unrolled import MAX_ROWS, MAX_WORDS, ROWS, Program, program
from cpcc.graph import Graph, Node
from cpcc.ops.base import DSP, STREAM_FILES, Code, Kernel, Packed, Value
from cpcc.ops.linear.paired import overlap
from cpcc.ops.requantized import clamped_outputs

FILES = (*STREAM_FILES, "kernels/cpcc_widen.h", "kernels/cpcc_saturate.h")


def _blocks(node: Node) -> int:
    """Fours of inputs."""
    return -(-int(node.params.weight.shape[1]) // 4)


def program_input(node: Node) -> tuple[np.ndarray, np.ndarray, Rounding, int]:
    """The arguments of `program`."""
    weight, output = node.params.weight, node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    padded = np.pad(weight, ((0, 0), (0, 4 * _blocks(node) - weight.shape[1])))
    return padded, widened_order(1, padded.shape[1]), rounding, output.zero_point


def layer_program(node: Node) -> Program:
    return program(*program_input(node))


def packed(node: Node, begin: str, made: Program, constants: dict[str, np.ndarray]) -> Packed:
    """The layer with its program between the macros `begin` and ``_END``, and its `constants` where they lie apart."""
    output = node.params.output
    text = tuple(f"{name}({', '.join(map(str, args))})" if args else name for name, args in made.steps)
    fields: dict[str, Value] = {
        "program": Code(begin, text, made.nbytes), "stream": made.stream, **constants, "blocks": _blocks(node),
        "out_features": len(node.params.weight), "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, 16 * -(-_blocks(node) // 2))


def pack(node: Node, graph: Graph) -> Packed:
    return packed(node, "CPCC_UNROLLED", layer_program(node), {})


def applies(node: Node, graph: Graph) -> bool:
    """Where the code takes at most twice the flash of the dense weights (and what a row takes anyway)."""
    weight = node.params.weight
    if 2 * _blocks(node) > MAX_WORDS or len(weight) > MAX_ROWS or rounding_of(node.params.output, weight) is None:
        return False
    limit = 2 * weight.size + 48 * len(weight)
    if 4 * np.count_nonzero(weight) > limit:
        return False
    made = layer_program(node)
    return bool(made.nbytes + made.stream.nbytes <= limit)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    made, rows = layer_program(node), len(node.params.weight)
    tflite = made.count("ROUND_TFLITE")
    loads = [made.count(name) for name in ("X4", "X2", "X1", "W", "MAC")]
    return 1.0, _blocks(node), *loads, -(-rows // ROWS), rows, tflite, clamped_outputs(node, graph)


KERNEL = Kernel(
    "linear_unrolled",
    pack,
    fitted("linear_unrolled", features),
    DSP,
    applies,
    sparse=True,
    program=True,
    shared=FILES,
    overlap=overlap,
)
