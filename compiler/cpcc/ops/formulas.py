"""A function of one value that a network writes out in several steps: what becomes one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpcc.ops.activations import FUNCTIONS

_STEPS: dict[str, Callable[..., np.ndarray]] = FUNCTIONS | {
    "product": lambda a, b: a * b,
    "sum": lambda a, b, left, right: left * a + right * b,
}


@dataclass(frozen=True)
class Term:
    """``function(*operands, *arguments)``. Operand 0 is x, operand k the value of the k-th term."""

    function: str
    operands: tuple[int, ...]
    arguments: tuple[float, ...] = ()


@dataclass(frozen=True)
class Formula:
    """The value of the last of `terms`, for every element of x."""

    terms: tuple[Term, ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        values = [x]
        for term in self.terms:
            operands = (values[i] for i in term.operands)
            values.append(np.asarray(_STEPS[term.function](*operands, *term.arguments)))
        return values[-1]
