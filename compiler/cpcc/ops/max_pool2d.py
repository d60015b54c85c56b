"""Maximum over windows clipped to the input; exact in int8, since quantization is monotone."""

from __future__ import annotations

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.graph import Graph, Integer, Node
from cpcc.ops.base import DSP, Kernel, Op, Overlap, Packed
from cpcc.ops.float_params import MaxPool2d
from cpcc.ops.overlap import pixel_lag, window_starts


def infer_shape(params: MaxPool2d, x: tuple[int, ...]) -> tuple[int, ...]:
    if len(x) != 3:
        raise ModelError(f"max_pool2d: the input is {x}, expected (h, w, channels)")
    for axis in (0, 1):
        start = (params.out_size[axis] - 1) * params.stride[axis] - params.padding[2 * axis]
        if start >= x[axis] or params.padding[2 * axis] >= params.kernel[axis]:
            raise ModelError(f"max_pool2d: a window lies wholly outside the input {x}")
    return (*params.out_size, x[2])


def _spans(params: MaxPool2d, axis: int, size: int) -> list[tuple[int, int]]:
    before, step, length = params.padding[2 * axis], params.stride[axis], params.kernel[axis]
    starts = [i * step - before for i in range(params.out_size[axis])]
    return [(max(s, 0), min(s + length, size)) for s in starts]


def run(params: MaxPool2d, x: np.ndarray) -> np.ndarray:
    """Same dtype as `x` (n, h, w, c); float and integer semantics are one."""
    rows, cols = _spans(params, 0, x.shape[1]), _spans(params, 1, x.shape[2])
    out = np.empty((len(x), len(rows), len(cols), x.shape[3]), x.dtype)
    for i, (r0, r1) in enumerate(rows):
        for j, (c0, c1) in enumerate(cols):
            out[:, i, j] = x[:, r0:r1, c0:c1].max(axis=(1, 2))
    return out


def pack(node: Node, graph: Graph) -> Packed:
    h, w, c = graph.tensors[node.inputs[0]].shape
    p: MaxPool2d = node.params
    return Packed({
        "in_h": h, "in_w": w, "channels": c, "out_h": p.out_size[0], "out_w": p.out_size[1],
        "kernel_h": p.kernel[0], "kernel_w": p.kernel[1], "stride_h": p.stride[0], "stride_w": p.stride[1],
        "top": p.padding[0], "left": p.padding[2],
    })  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    p: MaxPool2d = node.params
    _, width, channels = graph.tensors[node.inputs[0]].shape
    starts = window_starts(width, p.out_size, p.stride, p.padding)
    return Overlap(output=pixel_lag(starts, channels, channels, block=1, ahead=1))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    h, w, channels = graph.input_tensors(node)[0].shape
    rows = [stop - start for start, stop in _spans(node.params, 0, h)]
    cols = [stop - start for start, stop in _spans(node.params, 1, w)]
    windows = len(rows) * len(cols)
    return 1.0, windows, windows * channels, channels * sum(rows) * len(cols), channels * sum(rows) * sum(cols)


def quad_applies(node: Node, graph: Graph) -> bool:
    """Four channels at a time; the last four of a number that is no multiple overlap those before."""
    return graph.output_tensor(node).shape[2] >= 4


def quad_features(node: Node, graph: Graph) -> tuple[float, ...]:
    """1, rows, windows, then groups of four channels in windows of 2x2, of 1x2 and of other sizes, and of these rows and pixels."""
    h, w, channels = graph.input_tensors(node)[0].shape
    rows = np.array([stop - start for start, stop in _spans(node.params, 0, h)])
    cols = np.array([stop - start for start, stop in _spans(node.params, 1, w)])
    groups, pair = -(-channels // 4), (cols == 2).sum()
    square, flat = groups * pair * (rows == 2).sum(), groups * pair * (rows == 1).sum()
    loops = ~((cols[None, :] == 2) & (rows[:, None] <= 2))
    row, area = (rows[:, None] * loops).sum(), (rows[:, None] * cols[None, :] * loops).sum()
    return 1.0, len(rows), loops.size, square, flat, groups * loops.sum(), groups * row, groups * area


def wide_features(node: Node, graph: Graph) -> tuple[float, ...]:
    return *features(node, graph), node.params.out_size[0]


def sample(rng: np.random.Generator) -> tuple[MaxPool2d, tuple[tuple[int, ...], ...]]:
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    padding = tuple(int(rng.integers(0, k)) for k in (kernel[0], kernel[0], kernel[1], kernel[1]))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    h, w = (int(rng.integers(k, k + 6)) for k in kernel)
    out_size = (
        (h + padding[0] + padding[1] - kernel[0]) // stride[0] + 1,
        (w + padding[2] + padding[3] - kernel[1]) // stride[1] + 1,
    )
    params = MaxPool2d(kernel, stride, (padding[0], padding[1], padding[2], padding[3]), out_size)
    return params, ((h, w, int(rng.integers(1, 12))),)


def same_type(params: object, inputs: tuple[Integer, ...]) -> Integer:
    return inputs[0]


OP = Op(
    name="max_pool2d",
    float_params=MaxPool2d,
    int8_params=MaxPool2d,
    infer_shape=infer_shape,
    run_float=run,
    run_int8=run,
    quantize=lambda params, inputs, output: params,
    sample=sample,
    kernels=(
        Kernel("max_pool2d", pack, fitted("max_pool2d", features), overlap=overlap),
        Kernel(
            "max_pool2d_wide",
            pack,
            fitted("max_pool2d_wide", wide_features),
            wide=True,
            shared=("kernels/cpcc_max_pool2d.h",),
        ),
        Kernel(
            "max_pool2d_quad",
            pack,
            fitted("max_pool2d_quad", quad_features),
            DSP,
            quad_applies,
            shared=("include/cpcc_dsp.h", "kernels/cpcc_max_pool2d.h"),
            overlap=overlap,
        ),
    ),
    output_type=same_type,
)
