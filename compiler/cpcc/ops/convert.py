"""The same values in another integer type: where int8 and int16 tensors meet. The quantizer inserts it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import INT32_MAX, Requant
from cpcc.graph import Graph, Int8, Int16, Integer, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Convert

TYPES: dict[int, type[Int8] | type[Int16]] = {8: Int8, 16: Int16}


@dataclass(frozen=True, eq=False)
class QConvert:
    """``saturate(requantize(x - in_zero_point) + zero_point)`` to `bits`, 8 or 16; `requant` has one entry."""

    in_zero_point: int
    requant: Requant
    zero_point: int
    bits: int


def infer_shape(params: Convert | QConvert, x: tuple[int, ...]) -> tuple[int, ...]:
    return x


def run_float(params: Convert, x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float64)


def run_integer(params: QConvert, x: np.ndarray) -> np.ndarray:
    kind = TYPES[params.bits]
    scaled = params.requant.scale((x.astype(np.int64) - params.in_zero_point)[..., None])[..., 0]
    return np.clip(scaled + params.zero_point, kind.low, kind.high).astype(kind.dtype)


def quantize(params: Convert, inputs: tuple[Integer, ...], output: Integer) -> QConvert:
    requant = Requant.from_scales(np.array([inputs[0].scale / output.scale]))
    return QConvert(inputs[0].zero_point, requant, output.zero_point, _bits(output))


def _bits(kind: Integer) -> int:
    return 16 if isinstance(kind, Int16) else 8


def check(node: Node, graph: Graph) -> None:
    if isinstance(node.params, QConvert):
        kind = graph.input_tensors(node)[0].integer
        reach = int(np.max(node.params.requant.reach(np.array([kind.high - kind.low]))))
        if reach > INT32_MAX:
            raise ModelError(
                f"{node.name}: the input's step is too coarse for the output's; calibrate with more samples"
            )


def pack(node: Node, graph: Graph) -> Packed:
    p: QConvert = node.params
    fields: dict[str, int | np.ndarray] = {
        "size": graph.output_tensor(node).size, "in_zero_point": p.in_zero_point,
        "multiplier": int(p.requant.multiplier[0]), "left_shift": p.requant.left_shift, "zero_point": p.zero_point,
    }  # fmt: skip
    return Packed(fields, entry=f"_{_bits(graph.input_tensors(node)[0].integer)}_{p.bits}")


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    size, entry = graph.output_tensor(node).size, pack(node, graph).entry
    return 1.0, size, size * (entry == "_8_8")


def sample(rng: np.random.Generator) -> tuple[Convert, tuple[tuple[int, ...], ...]]:
    return Convert(), (tuple(int(v) for v in rng.integers(1, 6, int(rng.choice([1, 3])))),)


OP = Op(
    name="convert",
    float_params=Convert,
    int8_params=QConvert,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_integer,
    quantize=quantize,
    sample=sample,
    kernels=tuple(Kernel("convert", pack, fitted("convert", features), wide=wide) for wide in (False, True)),
    check=check,
)
