"""Random weights for the ops' `sample` functions: every sparsity corner gets drawn."""

from __future__ import annotations

import numpy as np


def random_weights(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """float32 weights of `shape` (output channel first) and bias (out,): dense, sparse, with empty rows, all
    zero, or with a huge or a tiny channel."""
    weight = rng.normal(0, 1, shape) * rng.choice([0.01, 1.0])
    keep = rng.choice([1.0, 0.5, 0.1, 0.02, 0.0])
    weight[rng.random(shape) >= keep] = 0
    bias = rng.normal(0, 1, shape[0]) * rng.choice([0.0, 0.1, 1.0])
    corner = rng.integers(4)
    if corner == 1:
        weight[rng.integers(shape[0])] = 0
    elif corner == 2:
        weight[rng.integers(shape[0])] *= rng.choice([1e-6, 1e3])
    return weight.astype(np.float32), bias.astype(np.float32)


def broadcast_shapes(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of two operands: equal, or one of them repeated along some axes."""
    out = tuple(int(v) for v in rng.integers(1, 6, int(rng.choice([1, 3]))))
    a, b = (tuple(1 if rng.random() < 0.3 else size for size in out) for _ in range(2))
    return (out, out) if rng.random() < 0.3 else (a, b)
