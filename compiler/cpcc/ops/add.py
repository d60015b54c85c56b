"""Sum of two tensors of one shape, with different quantizations: where branches of a network meet again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import TfliteRequant, halfwords, narrow
from cpcc.formats.rounding import TFLITE, Rounding, tflite_rounding
from cpcc.graph import Graph, Int8, Int16, Integer, Node
from cpcc.ops import affine_kernels, wide_sum
from cpcc.ops.affine_kernels import affine_form
from cpcc.ops.base import DSP, Kernel, Op, Packed
from cpcc.ops.float_params import Add
from cpcc.ops.requantized import Output

MULTIPLIER_BITS = 14  # of the larger int16 multiplier: 2**14 <= multiplier < 2**15
MAX_SHIFT = 22  # zero_point << shift stays below 2**29
TFLITE_LEFT_SHIFT, TFLITE_LEFT_SHIFT_16 = 20, 15  # of int8 and of int16 operands
DUAL_SHIFTS = (14, 15, 16)  # of the assembly of cpcc_add_dual


@dataclass(frozen=True)
class AddScaling:
    """One rounding, halves up: ``(a * multipliers[0] + b * multipliers[1] + offset) >> shift``, int16 multipliers."""

    multipliers: tuple[int, int]
    offset: int
    shift: int

    @property
    def factors(self) -> tuple[float, float]:
        """Of the operands, about."""
        return self.multipliers[0] / 2**self.shift, self.multipliers[1] / 2**self.shift

    def apply(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """int64 sums of int64 operands, zero point included."""
        return (a * self.multipliers[0] + b * self.multipliers[1] + self.offset) >> self.shift


@dataclass(frozen=True, eq=False)
class TfliteAddScaling:
    """TensorFlow Lite's: each operand less its zero point, shifted left by `left_shift` and scaled, then the sum scaled, of a
    `difference` the first scaled operand less the second.

    `scales` are the three steps, one channel each: first operand, second operand, output. Source: AddFunc of
    tensorflow/lite/kernels/internal/reference/integer_ops/add.h."""

    zero_points: tuple[int, int, int]
    scales: TfliteRequant
    difference: bool = False
    left_shift: int = TFLITE_LEFT_SHIFT

    @property
    def factors(self) -> tuple[float, float]:
        """Of the operands, about."""
        a, b, y = self.scales.multiplier * 2.0 ** (self.scales.shift.astype(np.int64) - 31)
        return float(a * y) * 2**self.left_shift, float(b * y) * 2**self.left_shift * (-1 if self.difference else 1)

    def _step(self, i: int, x: np.ndarray) -> np.ndarray:
        one = TfliteRequant(self.scales.multiplier[i : i + 1], self.scales.shift[i : i + 1])
        return one.scale(np.asarray(x, np.int64)[..., None])[..., 0]

    def apply(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """int64 sums of int64 operands, zero point included."""
        first = self._step(0, (a - self.zero_points[0]) << self.left_shift)
        second = self._step(1, (b - self.zero_points[1]) << self.left_shift)
        return self._step(2, first - second if self.difference else first + second) + self.zero_points[2]


@dataclass(frozen=True, eq=False)
class QAdd:
    """int8 sum, clamped to [low, high]; int16 where the scaling is TensorFlow Lite's and the operands are."""

    scaling: AddScaling | TfliteAddScaling
    low: int
    high: int


def infer_shape(params: Add | QAdd, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    if a != b:
        raise ModelError(f"add: the operands have the shapes {a} and {b}; supported: one shape")
    return a


def run_float(params: Add, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    y = np.asarray(a, np.float64) + b
    return np.maximum(y, 0) if params.relu else y


def run_int8(params: QAdd, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total = params.scaling.apply(a.astype(np.int64), b.astype(np.int64))
    return np.clip(total, params.low, params.high).astype(a.dtype)


def native_scaling(a: Int8, b: Int8, y: Int8) -> AddScaling:
    """Closest int16 multipliers of the two operands. Raises `OverflowError` where the scales differ too much."""
    ratio = max(a.scale, b.scale) / y.scale
    shift = min(MAX_SHIFT, MULTIPLIER_BITS - int(np.ceil(np.log2(ratio))) + 1)
    if round(ratio * 2.0**shift) >= 2**15:  # rounding may carry
        shift -= 1
    if shift < 1:
        raise OverflowError(f"an operand's scale is {ratio:g} times the output's; supported: below 2**14")
    m, n = round(a.scale / y.scale * 2.0**shift), round(b.scale / y.scale * 2.0**shift)
    offset = (1 << (shift - 1)) + (y.zero_point << shift) - a.zero_point * m - b.zero_point * n
    return AddScaling((m, n), offset, shift)


def tflite_add_scaling(a: Integer, b: Integer, y: Integer, difference: bool = False) -> TfliteAddScaling:
    """CalculateOpDataAdd and CalculateOpDataSub of TensorFlow Lite: factors relative to twice the larger operand's scale, in float64."""
    twice, left_shift = 2 * max(a.scale, b.scale), TFLITE_LEFT_SHIFT_16 if isinstance(y, Int16) else TFLITE_LEFT_SHIFT
    scales = np.array([a.scale / twice, b.scale / twice, twice / ((1 << left_shift) * y.scale)])
    if scales[2] >= 1:
        raise OverflowError(
            f"an operand's scale is {twice / 2 / y.scale:g} times the output's; supported: below 2**{left_shift - 1}"
        )
    requant = TfliteRequant.from_scales(scales)
    return TfliteAddScaling((a.zero_point, b.zero_point, y.zero_point), requant, difference, left_shift)


def quantize(params: Add, inputs: tuple[Int8, ...], output: Int8) -> QAdd:
    low = max(-128, output.zero_point) if params.relu else -128
    a, b = inputs
    return QAdd(native_scaling(a, b, output), low, 127)


def pack(node: Node, graph: Graph) -> Packed:
    params: QAdd = node.params
    scaling = params.scaling
    size = graph.output_tensor(node).size
    clamp = {"low": params.low, "high": params.high}
    if isinstance(scaling, AddScaling):
        m, n = scaling.multipliers
        return Packed({"size": size, "multiplier_a": m, "multiplier_b": n, "offset": scaling.offset,
                       "shift": scaling.shift, **clamp})  # fmt: skip
    za, zb, zy = scaling.zero_points
    return Packed({"size": size, "zero_point_a": za, "zero_point_b": zb, "zero_point": zy,
                   "multipliers": narrow(scaling.scales.multiplier, np.int32), "shifts": scaling.scales.shift,
                   **clamp}, entry="_difference" if scaling.difference else "")  # fmt: skip


def pack_dual(node: Node, graph: Graph) -> Packed:
    params: QAdd = node.params
    assert isinstance(params.scaling, AddScaling)
    m, n = (np.array([v]) for v in params.scaling.multipliers)
    return Packed({"size": graph.output_tensor(node).size, "multipliers": int(halfwords(m, n)[0]),
                   "offset": params.scaling.offset, "shift": params.scaling.shift,
                   "low": params.low, "high": params.high})  # fmt: skip


def affine_applies(node: Node, graph: Graph) -> bool:
    return affine_form(node) is not None


def pack_affine(node: Node, graph: Graph) -> Packed:
    params: QAdd = node.params
    form = affine_form(node)
    assert form is not None
    m, n = form.multipliers
    return Packed({"size": graph.output_tensor(node).size, "multiplier_a": m, "multiplier_b": n, "offset": form.offset,
                   "low": params.low, "high": params.high})  # fmt: skip


def affine_features(node: Node, graph: Graph) -> tuple[float, ...]:
    size = graph.output_tensor(node).size
    return 1.0, size > 7, size // 8, size % 8, _clamped(node, graph)


def _sum_rounding(params: QAdd) -> Rounding | None:
    """The sum's rounding, as of a channel that adds both rescaled operands."""
    scaling = params.scaling
    assert isinstance(scaling, TfliteAddScaling)
    scales = scaling.scales
    requant = TfliteRequant(scales.multiplier[2:], scales.shift[2:])
    output = Output(np.zeros(1, np.int32), requant, scaling.zero_points[2], params.low, params.high)
    bound = np.array([sum(int(np.abs(table).max()) for table in _tables(scaling))])
    return tflite_rounding(output, requant, bound)


def _tables(scaling: TfliteAddScaling) -> tuple[np.ndarray, np.ndarray]:
    """int64 rescaled operand by its byte, for both; the second of a difference negated."""
    x = np.arange(256).astype(np.uint8).astype(np.int8).astype(np.int64)
    one = [TfliteRequant(scaling.scales.multiplier[i : i + 1], scaling.scales.shift[i : i + 1]) for i in (0, 1)]
    a, b = (one[i].scale((x - scaling.zero_points[i])[:, None] << TFLITE_LEFT_SHIFT)[:, 0] for i in (0, 1))
    return a, -b if scaling.difference else b


def pack_table(node: Node, graph: Graph) -> Packed:
    params: QAdd = node.params
    rounding = _sum_rounding(params)
    assert rounding is not None and isinstance(params.scaling, TfliteAddScaling)
    a, b = (narrow(2 * table, np.int32) for table in _tables(params.scaling))
    return Packed({"size": graph.output_tensor(node).size, "table_a": a, "table_b": b,
                   "constants": rounding.words.ravel(), "rounding": rounding.kind, "low": params.low, "high": params.high})  # fmt: skip


def table_applies(node: Node, graph: Graph) -> bool:
    return is_tflite(node, graph) and _sum_rounding(node.params) is not None


def is_tflite(node: Node, graph: Graph) -> bool:
    return isinstance(node.params.scaling, TfliteAddScaling)


def is_native(node: Node, graph: Graph) -> bool:
    return not is_tflite(node, graph)


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, graph.output_tensor(node).size


def _clamped(node: Node, graph: Graph) -> int:
    """Elements that are clamped again."""
    return graph.output_tensor(node).size * (node.params.low > -128 or node.params.high < 127)


def dual_features(node: Node, graph: Graph) -> tuple[float, ...]:
    size = graph.output_tensor(node).size
    eights = size // 8 if node.params.scaling.shift in DUAL_SHIFTS else 0
    rest = size - 8 * eights
    return 1.0, eights > 0, eights, rest // 4, rest % 4, _clamped(node, graph)


def table_features(node: Node, graph: Graph) -> tuple[float, ...]:
    size, rounding = graph.output_tensor(node).size, _sum_rounding(node.params)
    assert rounding is not None
    return 1.0, size > 3, size // 4, size // 4 * (rounding.kind == TFLITE), size % 4, _clamped(node, graph)


def sample(rng: np.random.Generator) -> tuple[Add, tuple[tuple[int, ...], ...]]:
    shape = tuple(int(v) for v in rng.integers(1, 7, int(rng.choice([1, 3]))))
    return Add(bool(rng.integers(2))), (shape, shape)


DUAL_FILES = ("include/cpcc_dsp.h", "kernels/cpcc_saturate.h")

OP = Op(
    name="add",
    float_params=Add,
    int8_params=QAdd,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("add", pack, fitted("add", features), applies=is_native),
        Kernel("add_tflite", pack, fitted("add_tflite", features), applies=is_tflite),
        Kernel("add_wide_tflite", pack, fitted("add_wide_tflite", features), applies=is_tflite, wide=True),
        Kernel("add_dual", pack_dual, fitted("add_dual", dual_features), DSP, is_native, shared=DUAL_FILES),
        Kernel("add_table_tflite", pack_table, fitted("add_table_tflite", table_features), DSP, table_applies,
               shared=(*DUAL_FILES, "include/cpcc_rounding.h")),
        Kernel("add_affine", pack_affine, fitted("add_affine", affine_features), DSP, affine_applies, shared=DUAL_FILES),
        affine_kernels.TABLES,
        affine_kernels.HELIUM,
    ),
    in_place=True,
    wide=wide_sum.form("add_wide", Add, run_float, sample),
)  # fmt: skip
