"""Depthwise convolution in portable C whose weights take fewer bytes than dense ones: of few levels, and sparse."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.formats.depthwise_bits import masked_weights, packed_levels
from cpcc.formats.rounding import is_tflite
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Overlap, Packed, Value
from cpcc.ops.conv2d.geometry import rows_work, strip_size
from cpcc.ops.depthwise_conv2d.semantics import per_channel
from cpcc.ops.depthwise_conv2d.window import overlap_by_rows, window_of

FILES = ("include/cpcc_pad.h", "include/cpcc_dsp.h", "kernels/cpcc_pad.c", "kernels/cpcc_depthwise_rows.h")


def _packed(node: Node, graph: Graph, weights: dict[str, Value]) -> Packed:
    window, output = window_of(node, graph), node.params.output
    rows = {**window.fields, "kernel_h": window.kernel_h, "kernel_w": window.kernel_w, **output.fields()}
    fields: dict[str, Value] = {f"rows.{name}": value for name, value in rows.items()}
    sums = 4 * window.fields["window.out_w"]
    return Packed({**fields, **weights}, sums + strip_size(window.fields, window.kernel_h), output.entry)


def pack_few(node: Node, graph: Graph) -> Packed:
    levels = packed_levels(per_channel(node))
    assert levels is not None
    stride = int(len(levels.steps) == node.params.weight.shape[2])
    fields: dict[str, Value] = {"bits": levels.bits, "step_stride": stride, "multiples": levels.multiples}
    return _packed(node, graph, fields | {"steps": levels.steps})


def of_few_levels(node: Node, graph: Graph) -> bool:
    """Where that takes fewer bytes."""
    levels = packed_levels(per_channel(node))
    return levels is not None and levels.nbytes < node.params.weight.size


def pack_sparse(node: Node, graph: Graph) -> Packed:
    masked = masked_weights(per_channel(node))
    return _packed(node, graph, {"mask": masked.mask, "weights": masked.weights})


def is_sparse(node: Node, graph: Graph) -> bool:
    """Where the mask and what is left take fewer bytes: from one zero in eight weights on."""
    return masked_weights(per_channel(node)).nbytes < int(node.params.weight.size)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    window, weight = window_of(node, graph), node.params.weight
    height, width, channels = (window.fields[f"window.{key}"] for key in ("out_h", "out_w", "channels"))
    kept, outputs = height * int(np.count_nonzero(weight)), height * width * channels
    return (
        height, height * channels, height * channels * window.kernel_h, height * weight.size, kept, kept * width, outputs,
        outputs * is_tflite(node.params.output), *rows_work(window.fields, window.kernel_h),
    )  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    return overlap_by_rows(node, graph, kept=False)


FEW = Kernel(
    "depthwise_few", pack_few, fitted("depthwise_few", features), applies=of_few_levels,
    shared=(*FILES, "include/cpcc_nibbles.h"), overlap=overlap,
)  # fmt: skip
SPARSE = Kernel(
    "depthwise_sparse", pack_sparse, fitted("depthwise_sparse", features), applies=is_sparse, sparse=True, shared=FILES,
    overlap=overlap,
)  # fmt: skip
