"""Where the elements of a torch tensor lie in the memory of a graph tensor.

A layout is a list of factors ``(size, stride)`` in torch's order, outermost first, strides in elements: element
``(i, j, ...)`` of the factors lies at ``i * stride_i + j * stride_j + ...``. The channels-last copy of an image
``(c, h, w)`` has the factors ``((c, 1), (h, w * c), (w, c))``. A view or a permutation changes the factors' grouping or
their order and moves no byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Factors = tuple[tuple[int, int], ...]


def merged(factors: Sequence[tuple[int, int]]) -> Factors:
    """The same layout with as few factors as possible: equal layouts become equal values."""
    result: list[tuple[int, int]] = []
    for size, stride in factors:
        if size == 1:
            continue
        if result and result[-1][1] == size * stride:
            result[-1] = (result[-1][0] * size, stride)
        else:
            result.append((size, stride))
    return tuple(result)


def ordered(sizes: Sequence[int], order: Sequence[int]) -> Factors:
    """Layout of axes `sizes` that lie densely in memory in `order`, outermost first."""
    strides, step = [0] * len(sizes), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= sizes[axis]
    return merged(tuple(zip(sizes, strides)))


def contiguous(shape: Sequence[int]) -> Factors:
    """torch's own layout."""
    return merged(((math.prod(shape), 1),))


def per_axis(factors: Factors, sizes: Sequence[int]) -> list[Factors] | None:
    """The factors that make up each axis of `sizes`; None where an axis ends within a factor it does not divide."""
    rest, axes = list(factors), []
    for size in sizes:
        axis: list[tuple[int, int]] = []
        while size > 1:
            length, stride = rest.pop(0)
            if length > size and length % size == 0:
                rest.insert(0, (length // size, stride))
                stride *= length // size
                length = size
            elif size % length:
                return None
            axis.append((length, stride))
            size //= length
        axes.append(tuple(axis))
    return axes


def positions(factors: Factors) -> np.ndarray:
    """(n,) int64: where each element, in torch's order, lies in memory."""
    result = np.zeros(1, np.int64)
    for size, stride in factors:
        result = (result[:, None] + stride * np.arange(size)).reshape(-1)
    return result
