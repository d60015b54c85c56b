"""Sigmoid and tanh of int16 values, in TensorFlow Lite's int16 arithmetic: for `.tflite` models alone, others interpolate (`lookup_wide`).

Both are one table of 256 entries, sigmoid(i / 24) less half of what the line between two entries lies above it in its middle, since tanh(x) is
2 sigmoid(2 x) - 1; x is scaled to steps of 1 / (24 * 512) or half of that. Source: Logistic and Tanh for int16 of
tensorflow/lite/kernels/internal/reference/integer_ops, prepared as in tensorflow/lite/micro/kernels/logistic_common.cc and tanh.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.fixedpoint import narrow
from cpcc.graph import Graph, Int16, Node
from cpcc.ops.activations import sigmoid
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Lookup
from cpcc.ops.interpolated import halves_away
from cpcc.ops.lookup import infer_shape, run_float

OUTPUT = Int16(2.0**-15)
UNIT = 3 * 4096  # steps of a scaled input to 1
LAST = 255  # entry, from which on the result is the largest
MOST_SCALE = 32767 / UNIT  # of an input, whose product with the multiplier fits int32


def _table() -> np.ndarray:
    """(256,) int16: the entries less 1/2, Q0.16; the last is the largest."""
    i = np.arange(LAST)
    here, following, middle = (2.0**16 * sigmoid((i + part) / 24) for part in (0, 1, 0.5))
    entries = halves_away(here - ((here + following) / 2 - middle) / 2).astype(np.int64) - 2**15
    return narrow(np.append(entries, 2**15 - 1), np.int16)


TABLE = _table()


@dataclass(frozen=True)
class QWideSigmoid:
    """``(x * multiplier + half) >> shift`` is the scaled input. `bits` are those between two entries: 9 for sigmoid, 8 for tanh."""

    multiplier: int
    shift: int
    bits: int

    @staticmethod
    def of(function: str, scale: float) -> QWideSigmoid:
        """`function` is "sigmoid" or "tanh" of an input of this `scale`. Raises `OverflowError` where it is too large."""
        bits = {"sigmoid": 9, "tanh": 8}[function]
        if not scale < MOST_SCALE:
            raise OverflowError(f"an input scale of {scale:g}; supported: below {MOST_SCALE:.4g}")
        fraction, exponent = math.frexp(scale)
        left = 12 + exponent - 1  # an input of the scale 2**-12 is Q3.12
        if fraction == 0.5 and left in ((0,) if bits == 9 else (0, 1)):
            return QWideSigmoid(3 << left, 0, bits)
        multiplier, shift = scale * UNIT, 0
        while multiplier <= 32767 / 2 and shift <= 30:
            multiplier, shift = 2 * multiplier, shift + 1
        return QWideSigmoid(int(multiplier), shift, bits)

    @property
    def saturated(self) -> int:
        """What stands for the interpolated entry at the end of the table and beyond."""
        return (2**15 - 2 if self.bits == 9 else 2**15 - 1) << self.bits

    @property
    def right(self) -> int:
        """Shift of the result: sigmoid's is Q0.15, tanh's doubled."""
        return self.bits + 1 if self.bits == 9 else self.bits

    @property
    def offset(self) -> int:
        """Half a step, and sigmoid's 1/2."""
        return (1 << (self.right - 1)) + (1 << 24 if self.bits == 9 else 0)


def run_int8(params: QWideSigmoid, x: np.ndarray) -> np.ndarray:
    scaled = (x.astype(np.int64) * params.multiplier + ((1 << params.shift) >> 1)) >> params.shift
    magnitude = np.abs(scaled)
    index = magnitude >> params.bits
    entry = np.minimum(index, LAST - 1)
    table, between = TABLE.astype(np.int64), magnitude & ((1 << params.bits) - 1)
    line = (table[entry] << params.bits) + between * (table[entry + 1] - table[entry])
    found = np.where(index >= LAST, params.saturated, line)
    return narrow((np.where(scaled < 0, ~found, found) + params.offset) >> params.right, np.int16)


def quantize(params: Lookup, inputs: tuple[Int16, ...], output: Int16) -> QWideSigmoid:
    assert output == OUTPUT and isinstance(params.function, str)
    return QWideSigmoid.of(params.function, inputs[0].scale)


def pack(node: Node, graph: Graph) -> Packed:
    p: QWideSigmoid = node.params
    return Packed({
        "size": graph.output_tensor(node).size, "multiplier": p.multiplier, "shift": p.shift, "bits": p.bits,
        "saturated": p.saturated, "offset": p.offset, "right": p.right, "table": TABLE,
    })  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, graph.output_tensor(node).size


def sample(rng: np.random.Generator) -> tuple[Lookup, tuple[tuple[int, ...], ...]]:
    return Lookup(str(rng.choice(["sigmoid", "tanh"]))), ((int(rng.integers(1, 60)),),)


OP = Op(
    name="sigmoid_wide",
    float_params=Lookup,
    int8_params=QWideSigmoid,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(Kernel("sigmoid_wide", pack, fitted("sigmoid_wide", features), wide=True, prescribed=True),),
    output_type=lambda params, inputs: OUTPUT,
    in_place=True,
)
