"""A copy in another order: transpose, slice, repeat (nearest upsampling) and flip are all ``y[i] = x[offset + i . strides]``."""

from __future__ import annotations

import math

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import narrow
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import StridedCopy
from cpcc.ops.max_pool2d import same_type

MAX_LOOPS = 6  # CPCC_COPY_LOOPS in the kernel


def infer_shape(params: StridedCopy, x: tuple[int, ...]) -> tuple[int, ...]:
    spans = [(size - 1) * stride for size, stride in params.loops]
    low = params.offset + sum(span for span in spans if span < 0)
    high = params.offset + sum(span for span in spans if span > 0)
    if low < 0 or high >= math.prod(x) or any(size < 1 for size, _ in params.loops):
        raise ModelError(f"strided_copy: elements {low} to {high} are read, the input has {math.prod(x)}")
    if math.prod(size for size, _ in params.loops) != math.prod(params.shape):
        raise ModelError(f"strided_copy: the loops {params.loops} do not fill the shape {params.shape}")
    if len(params.loops) > MAX_LOOPS:
        raise ModelError(
            f"strided_copy: {len(params.loops)} nested loops; supported: {MAX_LOOPS}; reshape in two steps"
        )
    return params.shape


def run(params: StridedCopy, x: np.ndarray) -> np.ndarray:
    """Same dtype as `x` (n, ...); float and integer semantics are one."""
    index = np.full(1, params.offset, np.int64)
    for size, stride in params.loops:
        index = (index[:, None] + stride * np.arange(size)).reshape(-1)
    return x.reshape(len(x), -1)[:, index].reshape(len(x), *params.shape)


def pack(node: Node, graph: Graph) -> Packed:
    loops = node.params.loops or ((1, 0),)
    outer = loops[:-1] or ((1, 0),)
    return Packed({
        "offset": node.params.offset, "rows": math.prod(size for size, _ in outer),
        "inner": loops[-1][0], "step": loops[-1][1], "loops": len(outer),
        "sizes": narrow(np.array([size for size, _ in outer]), np.int32),
        "strides": narrow(np.array([stride for _, stride in outer]), np.int32),
    })  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    """A row ends with a carry over the outer loops: of n outer loops the last is always stepped, the others where it wraps."""
    sizes = [size for size, _ in node.params.loops]
    rows = math.prod(sizes[:-1])
    carries = [math.prod(sizes[:i]) for i in range(1, len(sizes) - 1)]
    return 1.0, rows, sum(carries), graph.output_tensor(node).size


def sample(rng: np.random.Generator) -> tuple[StridedCopy, tuple[tuple[int, ...], ...]]:
    """A random transpose, slice with a step, flip or repeat of a random image."""
    shape = tuple(int(v) for v in rng.integers(1, 6, 3))
    offset, axes = 0, []
    for axis, size in enumerate(shape):
        stride = math.prod(shape[axis + 1 :])
        start, step = int(rng.integers(size)), int(rng.choice([1, 2, -1]))
        count = (size - start - 1) // step + 1 if step > 0 else start + 1
        offset += start * stride
        axes.append((count, step * stride))
    axes = [axes[i] for i in rng.permutation(3)]
    axes.insert(int(rng.integers(4)), (int(rng.integers(1, 4)), 0))
    return StridedCopy(tuple(size for size, _ in axes), tuple(axes), offset), (shape,)


OP = Op(
    name="strided_copy",
    float_params=StridedCopy,
    int8_params=StridedCopy,
    infer_shape=infer_shape,
    run_float=run,
    run_int8=run,
    quantize=lambda params, inputs, output: params,
    sample=sample,
    kernels=(
        Kernel("strided_copy", pack, fitted("strided_copy", features)),
        Kernel(
            "strided_copy_wide",
            pack,
            fitted("strided_copy_wide", features),
            wide=True,
            shared=("kernels/cpcc_strided_copy.h",),
        ),
    ),
    output_type=same_type,
)
