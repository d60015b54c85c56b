"""Parts, repetitions and borders of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.slices import axes_of, concatenated, expanded, padded, sliced, upsampled
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer, axis_of
from cpcc.frontends.onnx.operator import Operator

LARGEST_INDEX = 64  # entries of a Gather that are no regular steps


def _slice(importer: Importer, op: Operator) -> Value:
    value = importer.value(op)
    starts, ends = importer.integers(op, 1, "starts"), importer.integers(op, 2, "ends")
    if starts is None or ends is None:
        raise op.refuse("starts and ends", "that are missing", "constants")
    axes = importer.integers(op, 3, "axes") or tuple(range(len(starts)))
    steps = importer.integers(op, 4, "steps") or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise op.refuse("steps", steps, "as many starts, ends, axes and steps, none 0")
    for start, end, axis, step in zip(starts, ends, axes, steps):
        at = axis_of(op, axis, len(value.shape))
        chosen = range(*slice(start, end, step).indices(value.shape[at]))
        if step < 0 and end < -value.shape[at]:
            chosen = range(*slice(start, None, step).indices(value.shape[at]))
        value = _chosen(importer, op, value, at, chosen)
    return value


def _chosen(importer: Importer, op: Operator, value: Value, axis: int, chosen: range) -> Value:
    if not len(chosen):
        raise op.refuse("a zero-size slice of axis", axis, "at least one element")
    return sliced(importer, op.site(), value, axis, chosen[0], len(chosen), chosen.step if len(chosen) > 1 else 1)


def _split(importer: Importer, op: Operator) -> list[Value | None]:
    """Only the parts that are used become copies."""
    value = importer.value(op)
    axis = axis_of(op, op.attributes["axis"], len(value.shape))
    sizes, count = importer.integers(op, 1, "split"), len(op.outputs)
    if sizes is None:
        each = -(-value.shape[axis] // count)
        sizes = (*(each for _ in range(count - 1)), value.shape[axis] - each * (count - 1))
    if len(sizes) < count or min(sizes) < 1 or sum(sizes) != value.shape[axis]:
        raise op.refuse("parts of", sizes, f"1 and more, together {value.shape[axis]}")
    parts: list[Value | None] = []
    start = 0
    for name, size in zip(op.outputs, sizes):
        used = name in importer.read
        parts.append(sliced(importer, op.site(), value, axis, start, size) if used else None)
        start += size
    return parts


def _gather(importer: Importer, op: Operator) -> Value:
    """With constant indices: a slice where they are regular steps, else parts side by side."""
    value = importer.value(op)
    axis = axis_of(op, op.attributes["axis"], len(value.shape))
    indices = importer.array(op, op.inputs[1]) if op.inputs[1] not in importer.values else None
    if indices is None or indices.dtype.kind not in "iu" or indices.ndim > 1 or not indices.size:
        raise op.refuse(
            "indices", "that are computed, or have several axes", "a constant number, or a constant list of them"
        )
    size = value.shape[axis]
    if indices.min() < -size or indices.max() >= size:
        raise op.refuse("an index outside", f"{-size} to {size - 1}", "indices of the axis")
    chosen = [int(i) % size for i in indices.ravel()]
    if indices.ndim == 0:
        part = sliced(importer, op.site(), value, axis, chosen[0], 1)
        return replace(part, shape=value.shape[:axis] + value.shape[axis + 1 :])
    steps = set(np.diff(chosen).tolist())
    if len(steps) < 2 and steps != {0}:
        return sliced(importer, op.site(), value, axis, chosen[0], len(chosen), steps.pop() if steps else 1)
    if len(chosen) > LARGEST_INDEX:
        raise op.refuse("an irregular index of", len(chosen), f"up to {LARGEST_INDEX} entries, or regular steps")
    parts = [sliced(importer, op.site(), value, axis, i, 1) for i in chosen]
    return concatenated(importer, op.site(), parts, axis)


def _concat(importer: Importer, op: Operator) -> Value:
    values = [importer.value(op, i) for i in range(len(op.inputs))]
    return concatenated(importer, op.site(), values, axis_of(op, op.attributes["axis"], len(values[0].shape)))


def _pad(importer: Importer, op: Operator) -> Value:
    value, amounts = importer.value(op), importer.integers(op, 1, "pads")
    if op.attributes.get("mode", "constant") != "constant":
        raise op.refuse("mode", op.attributes["mode"], "constant")
    filler = (
        float(importer.weights(op, 2, "constant_value").ravel()[0])
        if importer.has(op, 2)
        else op.attributes.get("value", 0)
    )
    if filler != 0:
        raise op.refuse("padding with", filler, "zeros")
    rank = len(value.shape)
    axes = importer.integers(op, 3, "axes") or tuple(range(rank))
    if amounts is None or len(amounts) != 2 * len(axes):
        raise op.refuse("pads", amounts, "two per axis")
    pairs = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        pairs[axis_of(op, axis, rank)] = (amounts[i], amounts[i + len(axes)])
    while len(pairs) > 1 and pairs[0] == (0, 0):
        pairs = pairs[1:]
    if pairs == [(0, 0)]:
        return value
    shaped = replace(value, shape=(1,) * (3 - rank) + value.shape)
    result = padded(importer, op.site(), shaped, pairs[::-1])
    return replace(result, shape=result.shape[3 - rank :] if rank < 3 else result.shape)


def _resize(importer: Importer, op: Operator) -> Value:
    """Nearest neighbour to a whole multiple, where the coordinates that are asked for repeat every pixel."""
    value, a = importer.value(op), op.attributes
    if a.get("mode", "nearest") != "nearest":
        raise op.refuse("mode", a["mode"], "nearest")
    rank = len(value.shape)
    if rank not in (3, 4):
        raise op.refuse("an input of shape", value.shape, "(1, c, length), (1, c, h, w)")
    out = _resized(importer, op, value)
    if out[:2] != value.shape[:2]:
        raise op.refuse("resizing", f"{value.shape} to {out}", "the axes of space")
    for size, target in zip(value.shape[2:], out[2:]):
        if target % size or not _repeats(op, target // size, target):
            raise op.refuse("resizing", f"{value.shape} to {out} ({a.get('coordinate_transformation_mode', 'asymmetric')}, "
                            f"{a.get('nearest_mode', 'floor')})", "whole factors that repeat every pixel")  # fmt: skip
    rows, columns = (1, out[-1]) if rank == 3 else (out[-2], out[-1])
    return upsampled(importer, op.site(), value, rank - 2, rows, columns, out)


def _resized(importer: Importer, op: Operator, value: Value) -> tuple[int, ...]:
    """The output's shape, from sizes or from scales (an operand whose place depends on the opset)."""
    if op.attributes.get("axes") or op.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise op.refuse("axes or keep_aspect_ratio_policy", "", "sizes or scales of all axes")
    modern = op.type == "Resize" and op.opset > 10
    if modern and importer.has(op, 3) and importer.array(op, op.inputs[3]).size:
        sizes = importer.integers(op, 3, "sizes")
        assert sizes is not None
    else:
        scales = importer.weights(op, 2 if modern else 1, "scales").ravel()
        if not (np.isfinite(scales).all() and scales.min() > 0 and scales.max() <= 2**12):
            raise op.refuse("scales", scales.tolist(), "positive numbers up to 4096")
        sizes = tuple(math.floor(n * s) for n, s in zip(value.shape, scales))
    if len(sizes) != len(value.shape) or min(sizes) < 1:
        raise op.refuse("sizes", sizes, f"{len(value.shape)} of 1 and more")
    return sizes


def _repeats(op: Operator, factor: int, size: int) -> bool:
    """Whether output pixel i is input pixel ``i // factor`` (ONNX operators, Resize)."""
    i = np.arange(size)
    half = op.attributes.get("coordinate_transformation_mode", "asymmetric") in (
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
    )
    if not half and op.attributes.get("coordinate_transformation_mode", "asymmetric") != "asymmetric":
        return factor == 1
    at = (i + 0.5) / factor - 0.5 if half else i / factor
    mode = op.attributes.get("nearest_mode", "floor")
    nearest = {"floor": np.floor(at), "ceil": np.ceil(at), "round_prefer_floor": np.ceil(at - 0.5)}.get(
        mode, np.floor(at + 0.5)
    )
    return bool((np.clip(nearest, 0, size // factor - 1) == i // factor).all())


def _expand(importer: Importer, op: Operator) -> Value:
    value, shape = importer.value(op), importer.integers(op, 1, "shape") or ()
    try:
        out = tuple(np.broadcast_shapes(value.shape, shape))
    except ValueError:
        raise op.refuse("expanding", f"{value.shape} to {shape}", "shapes that broadcast") from None
    return expanded(importer, op.site(), value, out)


def _tile(importer: Importer, op: Operator) -> Value:
    value, repeats = importer.value(op), importer.integers(op, 1, "repeats") or ()
    if len(repeats) != len(value.shape) or min(repeats, default=1) < 1:
        raise op.refuse("repeats", repeats, "one per axis, 1 and more")
    value, axes = axes_of(importer, op.site(), value)
    factors = [f for (size, stride), n in zip(axes, repeats) for f in ((n, 0), (size, stride))]
    shape = tuple(size * n for size, n in zip(value.shape, repeats))
    return replace(value, shape=shape, factors=tuple(f for f in factors if f[0] > 1))


def family_handlers() -> Sequence[Operators]:
    return (
        Operators("strided_copy", "constant indices; Gather with a number or a list",
                  {"Slice": _slice, "Split": _split, "Gather": _gather}),
        Operators("concat", "inputs of other scales are converted by a lookup first", {"Concat": _concat}),
        Operators("pad", "zeros, around up to three axes", {"Pad": _pad}),
        Operators("strided_copy", "mode nearest, whole factors", {"Resize": _resize, "Upsample": _resize}),
        Operators("strided_copy where a layer needs the memory", "", {"Expand": _expand, "Tile": _tile}),
    )  # fmt: skip


FAMILY = tuple(family_handlers())
