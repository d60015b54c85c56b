"""Dense fully connected layer for cores without SIMD: eight rows at a time."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import TFLITE, TFLITE_RELU, Rounding, output_fields, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import ROUND_ROW_FILES, SCALAR, STREAM_FILES, Kernel, Packed
from cpcc.ops.requantized import clamped_outputs

GROUP = 8  # rows

FILES = (*STREAM_FILES, *ROUND_ROW_FILES, "kernels/cpcc_saturate.h")


def rows8_weights(weight: np.ndarray) -> np.ndarray:
    """int8 `weight` (rows, k), eight rows at a time, for ``cpcc_linear_rows8``."""
    rows, inputs = weight.shape
    filled = np.pad(weight, ((0, -rows % GROUP), (0, inputs % 2))).reshape(-1, GROUP, inputs + inputs % 2)
    return np.ascontiguousarray(filled.transpose(0, 2, 1)).ravel()


def rows8_constants(rounding: Rounding) -> np.ndarray:
    """int32: for each eight rows their biases and other constants."""
    more = -len(rounding.bias) % GROUP
    bias = rounding.gain * np.pad(rounding.bias, (0, more)).astype(np.int64).reshape(-1, GROUP)
    words = np.pad(rounding.words, ((0, more), (0, 0))).reshape(len(bias), -1)
    return narrow(np.concatenate([bias, words], axis=1), np.int32).ravel()


def pack(node: Node, graph: Graph) -> Packed:
    weight, output = node.params.weight, node.params.output
    rounding = rounding_of(output, weight)
    assert rounding is not None
    rows, inputs = weight.shape
    fields: dict[str, int | np.ndarray] = {
        "in_features": inputs, "out_features": rows, "weights": rows8_weights(weight), "constants": rows8_constants(rounding),
        **output_fields(output, rounding.kind),
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
