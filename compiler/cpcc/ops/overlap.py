"""How far a layer's output may lie over its input, from the order in which its kernel reads and writes.

A kernel that goes through its image from the first pixel to the last has, at any moment, written the output up to one
address and will read the input only from another one on. The largest difference of the two is how many bytes the
output must begin before the input. Idea: P. Blacker et al., "Diagonal Memory Optimisation for Machine Learning on
Micro-controllers", arXiv 2010.01668.
"""

from __future__ import annotations

import numpy as np

from cpcc.graph import Graph, Node
from cpcc.ops.windows import Padding


def window_starts(
    in_width: int, out: tuple[int, int], stride: tuple[int, int], padding: Padding
) -> np.ndarray:  # fmt: skip
    """(pixels,) the first input pixel of each output pixel's window, in the kernel's order."""
    rows = np.maximum(np.arange(out[0]) * stride[0] - padding[0], 0)
    cols = np.maximum(np.arange(out[1]) * stride[1] - padding[2], 0)
    return (rows[:, None] * in_width + cols[None, :]).reshape(-1)


def pixel_lag(starts: np.ndarray, in_bytes: int, out_bytes: int, block: int, ahead: int) -> int:
    """Bytes that the output must begin before the input of a kernel that computes `block` pixels at a time and may have
    written `ahead` pixels from the block's beginning on before it has read the last of it: 0 where it reads first.

    `starts` as of `window_starts`; a pixel has `in_bytes` and `out_bytes`."""
    unread = np.minimum.accumulate(starts[::-1])[::-1] * in_bytes
    n = np.arange(0, len(starts), block)
    written = np.minimum(n + ahead, len(starts)) * out_bytes
    return max(0, int((written - unread[n]).max()))


def strip_lag(node: Node, graph: Graph, kernel_h: int, outputs: int, kept: bool = True) -> int:
    """The same of a kernel that reads its input row by row into a strip in scratch, as ``cpcc_strip`` does, before it
    writes `outputs` output rows; without `kept` it reads the rows that it had before again, as with ``cpcc_pad_rows``."""
    height, width, channels = graph.tensors[node.inputs[0]].shape
    out_h, out_w, out_channels = graph.output_tensor(node).shape
    stride, top = node.params.stride[0], node.params.padding[0]
    rows, step = kernel_h + (outputs - 1) * stride, outputs * stride
    lag = 0
    for oy in range(0, out_h, outputs):
        first = oy * stride - top
        loaded = first if oy == 0 or not kept else first + max(rows - step, 0)
        if loaded < height:
            lag = max(lag, oy * out_w * out_channels - max(loaded, 0) * width * channels)
    return lag


def conv_starts(node: Node, graph: Graph) -> np.ndarray:
    """`window_starts` of a convolution without padding, in bytes of the input's pixels."""
    out_h, out_w, _ = graph.output_tensor(node).shape
    return window_starts(graph.tensors[node.inputs[0]].shape[1], (out_h, out_w), node.params.stride, (0, 0, 0, 0))


def conv_lag(node: Node, graph: Graph, block: int, ahead: int) -> int:
    """`pixel_lag` of a convolution without padding."""
    channels, out_channels = graph.tensors[node.inputs[0]].shape[2], graph.output_tensor(node).shape[2]
    return pixel_lag(conv_starts(node, graph), channels, out_channels, block, ahead)
