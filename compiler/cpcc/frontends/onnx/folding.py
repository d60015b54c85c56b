"""Operators on constants alone, computed at compile time by onnx's own reference evaluator.

Exporters leave arithmetic on shapes (Shape, Gather, Concat into a Reshape) and on weights in the graph. What an operator
will allocate is bounded before it runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from onnx.reference import ReferenceEvaluator

from cpcc.archive.text import one_line
from cpcc.errors import ModelError
from cpcc.frontends.onnx.operator import Operator

MAX_BYTES = 2**28  # of all constants that are computed
Inputs = list[np.ndarray]


def _shape_of(shape: np.ndarray) -> int:
    return math.prod(int(v) for v in shape.ravel())


def _same(inputs: Inputs) -> int:
    return sum(v.size for v in inputs)


def _broadcast(inputs: Inputs) -> int:
    return math.prod(np.broadcast_shapes(*(v.shape for v in inputs)))


def _range(inputs: Inputs) -> int:
    start, limit, delta = (float(v) for v in inputs)
    return math.ceil(max(0.0, (limit - start) / delta))


def _gather(inputs: Inputs) -> int:
    return inputs[1].size * max(inputs[0].size, 1)


def _expand(inputs: Inputs) -> int:
    return _shape_of(inputs[1]) * max(inputs[0].size, 1)


_SAME = ("Abs", "Cast", "Ceil", "Concat", "Exp", "Flatten", "Floor", "Identity", "Log", "Neg", "Reciprocal", "ReduceMax",
         "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round", "Sign", "Slice", "Split", "Sqrt",
         "Squeeze", "Transpose", "Unsqueeze")  # fmt: skip
_PAIRS = (
    "Add",
    "And",
    "Div",
    "Equal",
    "Greater",
    "Less",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Not",
    "Or",
    "Pow",
    "Sub",
    "Where",
)
BOUNDS: dict[str, Callable[[Inputs], int]] = {
    **dict.fromkeys(_SAME, _same), **dict.fromkeys(_PAIRS, _broadcast), "ConstantOfShape": lambda v: _shape_of(v[0]),
    "Range": _range, "Gather": _gather, "Expand": _expand, "Tile": _expand,
}  # fmt: skip
# What numpy and the evaluator raise for operands that an operator does not take.
_BAD_OPERANDS = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RuntimeError,
                 TypeError, ValueError)  # fmt: skip


def fold(op: Operator, inputs: Inputs, left: int) -> list[np.ndarray]:
    """The operator's results; `left` bytes may be allocated. Raises `ModelError`."""
    bound = BOUNDS.get(op.type)
    if bound is None:
        raise op.unsupported(f"on constants: {', '.join(sorted(BOUNDS))}")
    try:
        if 8 * bound(inputs) > left:
            raise ModelError(f"{op.place}: a constant of {bound(inputs):,} elements; supported: smaller models")
        names = [name for name in op.inputs if name]
        evaluator = ReferenceEvaluator(op.node, opsets={"": op.opset})
        with np.errstate(all="ignore"):
            results = evaluator.run(None, dict(zip(names, inputs)))
    except _BAD_OPERANDS as error:
        raise ModelError(f"{op.place}: cannot be computed ({one_line(error)}); export the model again") from None
    return [np.asarray(result) for result in results]
