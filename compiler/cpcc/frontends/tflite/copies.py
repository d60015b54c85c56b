"""Operators that move values: CONCATENATION, PAD, PADV2, TRANSPOSE, SLICE, STRIDED_SLICE, RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cpcc.errors import ModelError
from cpcc.frontends.tflite.builder import Builder, Handler, activation_type, without_batch
from cpcc.frontends.tflite.schema import Operator, read_options
from cpcc.graph import Tensor
from cpcc.ops.float_params import Concat, Pad, StridedCopy
from cpcc.ops.pad import QPad


@dataclass(frozen=True)
class ConcatenationOptions:
    axis: int
    fused_activation_function: int


@dataclass(frozen=True)
class StridedSliceOptions:
    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_axis_mask: int


@dataclass(frozen=True)
class ResizeNearestNeighborOptions:
    align_corners: bool
    half_pixel_centers: bool


def _one_type(b: Builder, op: Operator, inputs: tuple[Tensor, ...]) -> None:
    y = activation_type(op.place, b.output(op))
    for tensor in inputs:
        if tensor.type != y:
            raise ModelError(f"{op.place}: input {tensor.type}, output {y}; supported: one quantization")


def concatenation(b: Builder, op: Operator) -> None:
    inputs = b.values(op)
    options = read_options(op, ConcatenationOptions)
    _one_type(b, op, inputs)
    rank = len(inputs[0].shape) + 1
    axis = options.axis + rank if options.axis < 0 else options.axis
    if not 1 <= axis < rank or options.fused_activation_function:
        raise ModelError(f"{op.place}: axis {options.axis}, fused activation {options.fused_activation_function}; "
                         "supported: any axis but the batch's, no activation")  # fmt: skip
    b.add(op, Concat(axis - 1), inputs)


def pad(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    _one_type(b, op, (x,))
    amounts = b.constant(op, 1, "INT32").reshape(-1, 2)
    value = int(b.constant(op, 2, "INT8").ravel()[0]) if b.has(op, 2) else x.integer.zero_point
    if len(amounts) != len(x.shape) + 1 or len(x.shape) > 3 or amounts[0].any() or (amounts < 0).any():
        raise ModelError(f"{op.place}: amounts {amounts.tolist()} of the input {x.shape}; supported: none for the batch, "
                         "0 and more for up to 3 axes")  # fmt: skip
    if amounts.max(initial=0) > 2**15:
        raise ModelError(f"{op.place}: amounts {amounts.tolist()}; supported: up to 32768")
    missing = 3 - len(x.shape)
    image = Tensor("", (1,) * missing + x.shape, x.type)
    before = (0,) * missing + tuple(int(v) for v in amounts[1:, 0])
    after = (0,) * missing + tuple(int(v) for v in amounts[1:, 1])
    params = QPad(Pad(before, after), value)  # type: ignore[arg-type]
    if not missing:
        b.add(op, params, (x,))
        return
    shape = tuple(s + p + q for s, p, q in zip(image.shape, before, after))
    padded = b.step(op, "padded", params, (b.reshaped(op, "image", x, image.shape),), Tensor("", shape, x.type))
    b.add_reshape(op, padded)


def _steps(shape: tuple[int, ...]) -> list[int]:
    """Elements from one index to the next, per axis."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def transpose(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    _one_type(b, op, (x,))
    order = [int(v) for v in b.constant(op, 1, "INT32").ravel()]
    if sorted(order) != list(range(len(x.shape) + 1)) or order[0] != 0:
        raise ModelError(f"{op.place}: order {order}; supported: a permutation that keeps the batch first")
    steps, axes = _steps(x.shape), [i - 1 for i in order[1:]]
    loops = tuple((x.shape[i], steps[i]) for i in axes)
    b.add(op, StridedCopy(tuple(x.shape[i] for i in axes), loops), (x,))


def _cut(b: Builder, op: Operator, x: Tensor, ranges: list[range]) -> None:
    """The elements of `x` in `ranges`, one per axis, under the output's shape."""
    out = without_batch(op.place, b.output(op))
    if any(len(r) == 0 for r in ranges) or math.prod(len(r) for r in ranges) != math.prod(out):
        raise ModelError(
            f"{op.place}: {[len(r) for r in ranges]} elements per axis do not fill {out}; export the model again"
        )
    steps = _steps(x.shape)
    loops = tuple((len(r), r.step * step) for r, step in zip(ranges, steps))
    b.add(op, StridedCopy(out, loops, sum(r.start * step for r, step in zip(ranges, steps))), (x,))


def slice_(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    _one_type(b, op, (x,))
    begin, size = (b.constant(op, i, "INT32").ravel().tolist() for i in (1, 2))
    if len(begin) != len(x.shape) + 1 or len(size) != len(begin) or begin[0] != 0 or size[0] not in (1, -1):
        raise ModelError(f"{op.place}: begin {begin}, size {size}; supported: the whole batch")
    ends = [n if s == -1 else first + s for n, first, s in zip(x.shape, begin[1:], size[1:])]
    if any(not 0 <= first < end <= n for n, first, end in zip(x.shape, begin[1:], ends)):
        raise ModelError(
            f"{op.place}: begin {begin}, size {size} lie outside the input {x.shape}; export the model again"
        )
    _cut(b, op, x, [range(first, end) for first, end in zip(begin[1:], ends)])


def strided_slice(b: Builder, op: Operator) -> None:
    x = b.value(op, 0)
    _one_type(b, op, (x,))
    o = read_options(op, StridedSliceOptions)
    begin, end, step = (b.constant(op, i, "INT32").ravel().tolist() for i in (1, 2, 3))
    if (
        o.ellipsis_mask
        or o.new_axis_mask
        or o.shrink_axis_mask & 1
        or not len(begin) == len(end) == len(step) <= len(x.shape) + 1
    ):
        raise ModelError(f"{op.place}: begin {begin}, end {end}, masks {o}; supported: no ellipsis, no new axis")
    if (
        not begin
        or 0 in step
        or not (o.begin_mask & 1 or begin[0] == 0)
        or not (o.end_mask & 1 or end[0] >= 1)
        or step[0] != 1
    ):
        raise ModelError(
            f"{op.place}: begin {begin}, end {end}, strides {step}; supported: the whole batch, no stride of 0"
        )
    ranges = [range(n) for n in x.shape]
    for i in range(1, len(begin)):
        first = None if o.begin_mask >> i & 1 else begin[i]
        last = None if o.end_mask >> i & 1 else end[i]
        one = slice(begin[i], begin[i] + 1 or None) if o.shrink_axis_mask >> i & 1 else slice(first, last, step[i])
        ranges[i - 1] = range(x.shape[i - 1])[one]
    _cut(b, op, x, ranges)


def resize_nearest_neighbor(b: Builder, op: Operator) -> None:
    """Whole-number enlargement alone: every value is repeated."""
    x = b.value(op, 0)
    _one_type(b, op, (x,))
    out, o = without_batch(op.place, b.output(op)), read_options(op, ResizeNearestNeighborOptions)
    if len(x.shape) != 3 or o.align_corners or out[0] % x.shape[0] or out[1] % x.shape[1] or out[2] != x.shape[2]:
        raise ModelError(
            f"{op.place}: {x.shape} to {out}, align_corners {o.align_corners}; supported: whole multiples, no aligned corners"
        )
    h, w, c = x.shape
    loops = ((h, w * c), (out[0] // h, 0), (w, c), (out[1] // w, 0), (c, 1))
    b.add(op, StridedCopy(out, loops), (x,))


HANDLERS = {
    "CONCATENATION": Handler(concatenation, None, int16=True),
    "PAD": Handler(pad, int16=True),
    "PADV2": Handler(pad),
    "TRANSPOSE": Handler(transpose, int16=True),
    "SLICE": Handler(slice_),
    "STRIDED_SLICE": Handler(strided_slice, int16=True),
    "RESIZE_NEAREST_NEIGHBOR": Handler(resize_nearest_neighbor),
}
