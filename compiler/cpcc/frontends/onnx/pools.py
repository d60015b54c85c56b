"""Pooling and reductions."""

from __future__ import annotations

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.pools import adaptive_avg_pool, adaptive_max_pool, avg_pool, max_pool, reduction
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer, axis_of
from cpcc.frontends.onnx.operator import Operator
from cpcc.frontends.onnx.windows import geometry, pooled_sizes


def _pool(importer: Importer, op: Operator) -> list[Value | None]:
    """[the maxima or means]; the indices of MaxPool are not computed."""
    if len(op.outputs) > 1 and op.outputs[1]:
        raise op.refuse("the output", "Indices", "the maxima alone")
    kernel = op.attributes["kernel_shape"]
    spatial = len(kernel)
    if spatial not in (1, 2):
        raise op.refuse("kernel_shape", kernel, "one or two axes")
    value, (_, h, w) = importer.image(op.site(), importer.value(op), spatial)
    own = geometry(op, kernel, (h, w))
    if own.dilation != (1, 1):
        raise op.refuse("dilations", own.dilation, (1, 1))
    out = pooled_sizes(own, (h, w), bool(op.attributes.get("ceil_mode")))
    if min(out) < 1 or any(p >= k for p, k in zip(own.padding, (own.kernel[0],) * 2 + (own.kernel[1],) * 2)):
        raise op.refuse(
            "a window of", f"{own.kernel} with pads {own.padding} on ({h}, {w})", "windows that meet the input"
        )
    if op.type == "MaxPool":
        return [max_pool(importer, op.site(), value, own.kernel, own.stride, own.padding, out, spatial)]
    include_pad = bool(op.attributes.get("count_include_pad"))
    return [avg_pool(importer, op.site(), value, own.kernel, own.stride, own.padding, out, spatial, include_pad)]


def _global_pool(importer: Importer, op: Operator) -> Value:
    value = importer.value(op)
    spatial = len(value.shape) - 2
    if spatial not in (1, 2):
        raise op.refuse("an input of shape", value.shape, "(1, c, length), (1, c, h, w)")
    pool = adaptive_max_pool if op.type == "GlobalMaxPool" else adaptive_avg_pool
    return pool(importer, op.site(), value, (1, 1), spatial)


def _reduce(importer: Importer, op: Operator) -> Value:
    value, axes = importer.value(op), importer.integers(op, 1, "axes")
    rank = len(value.shape)
    if not axes:
        if op.attributes.get("noop_with_empty_axes"):
            return value
        axes = tuple(range(rank))
    reduced = {axis_of(op, axis, rank) for axis in axes}
    keep = op.attributes["keepdims"]
    out = tuple(1 if axis in reduced else n for axis, n in enumerate(value.shape) if keep or axis not in reduced)
    return reduction(importer, op.site(), value, sorted(reduced), out, maximum=op.type == "ReduceMax")


FAMILY = (
    Operators("max_pool2d, avg_pool2d", "1 and 2 axes; dilations 1; without Indices",
              dict.fromkeys(("MaxPool", "AveragePool"), _pool)),
    Operators("mean, max_pool2d", "1 and 2 axes", dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _global_pool)),
    Operators("mean, max_pool2d", "over any axes", dict.fromkeys(("ReduceMean", "ReduceMax"), _reduce)),
)  # fmt: skip
