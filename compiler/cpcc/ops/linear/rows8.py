"""Dense fully connected layer for cores without SIMD: eight rows at a time."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, Rounding, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import ROUND_ROW_FILES, SCALAR, STREAM_FILES, Kernel, Packed
from cpcc.ops.requantized import clamped_outputs

GROUP = 8  # rows

FILES = (*STREAM_FILES, *ROUND_ROW_FILES, "kernels/cpcc_saturate.h")


def rows8_stream(weight: np.ndarray, rounding: Rounding) -> np.ndarray:
    """int32 stream of int8 `weight` (rows, k) for ``cpcc_linear_rows8``."""
    rows, inputs = weight.shape
    groups, more = -(-rows // GROUP), -rows % GROUP
    filled = np.pad(weight, ((0, more), (0, inputs % 2))).reshape(groups, GROUP, -1)
    words = np.ascontiguousarray(filled.transpose(0, 2, 1)).view(np.int32).reshape(groups, -1)
    bias = rounding.gain * np.pad(rounding.bias, (0, more)).astype(np.int64).reshape(groups, GROUP)
    constants = np.pad(rounding.words, ((0, more), (0, 0))).reshape(groups, -1)
    return narrow(np.concatenate([bias, words, constants], axis=1), np.int32).ravel()


def pack(node: Node, graph: Graph) -> Packed:
    weight, output = node.params.weight, node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    rows, inputs = weight.shape
    fields: dict[str, int | np.ndarray] = {
        "in_features": inputs, "out_features": rows, "stream": rows8_stream(weight, rounding),
        "rounding": rounding.kind, "zero_point": output.zero_point, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, 4 * (inputs + inputs % 2))


def applies(node: Node, graph: Graph) -> bool:
    return rounding_of(node.params.output, node.params.weight) is not None


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    rows, inputs = node.params.weight.shape
    steps, groups = (inputs + 1) // 2, -(-rows // GROUP)
    kind = rounding_kind(node.params.output, node.params.weight)
    last = rows % GROUP
    return (
        1.0,
        inputs,
        groups,
        groups * steps,
        groups * (kind == TFLITE),
        groups * (kind == TFLITE_RELU),
        last,
        clamped_outputs(node, graph),
    )


KERNEL = Kernel("linear_rows8", pack, fitted("linear_rows8", features), SCALAR, applies, shared=FILES)
