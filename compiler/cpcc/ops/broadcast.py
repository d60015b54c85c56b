"""How two operands of one elementwise operation meet: numpy's broadcasting over at most three axes."""

from __future__ import annotations

import numpy as np

from cpcc.errors import ModelError

Shape = tuple[int, ...]


def broadcast_shape(a: Shape, b: Shape) -> Shape:
    """Shape of ``a op b``. Raises `ModelError` where the operands do not fit."""
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise ModelError(
            f"operands {a} and {b} do not broadcast; supported: equal sizes or 1, from the right"
        ) from None


def align(x: np.ndarray, rank: int) -> np.ndarray:
    """`x` (n, ...) with axes of size 1 behind the batch, so that samples of `rank` axes broadcast."""
    return x.reshape(len(x), *[1] * (rank - (x.ndim - 1)), *x.shape[1:])


def _strides(shape: Shape, out: Shape) -> list[int]:
    """Elements to step per axis of `out`; 0 where `shape` is repeated."""
    padded = (1,) * (len(out) - len(shape)) + shape
    steps, step = [], 1
    for size in reversed(padded):
        steps.append(step if size > 1 else 0)
        step *= size
    return steps[::-1]


def broadcast_fields(a: Shape, b: Shape) -> dict[str, int | np.ndarray]:
    """Fields of the C struct ``cpcc_broadcast_t``, in its order; neighbouring axes are joined where both allow it."""
    out = broadcast_shape(a, b)
    axes: list[tuple[int, int, int]] = []
    for size, step_a, step_b in zip(out, _strides(a, out), _strides(b, out)):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * step_a and axes[-1][2] == size * step_b:
            axes[-1] = (axes[-1][0] * size, step_a, step_b)
        else:
            axes.append((size, step_a, step_b))
    if len(axes) > 3:
        raise ModelError(f"operands {a} and {b} need {len(axes)} nested loops; supported: 3")
    axes = [(1, 0, 0)] * (3 - len(axes)) + axes
    names = [f"shape.{what}_{axis}" for axis in ("outer", "middle", "inner") for what in ("size", "a", "b")]
    return dict(zip(names, [value for axis in axes for value in axis]))


def loop_counts(a: Shape, b: Shape) -> tuple[int, int, int]:
    """How often the outer, middle and inner loop of `broadcast_fields` turn in all."""
    fields = broadcast_fields(a, b)
    outer, middle, inner = (int(fields[f"shape.size_{axis}"]) for axis in ("outer", "middle", "inner"))
    return outer, outer * middle, outer * middle * inner
