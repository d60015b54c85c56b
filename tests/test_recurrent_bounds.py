"""GRU and LSTM: the int8 semantics stay within a bound that is proved step by step, and the float semantics are PyTorch's and
ONNX Runtime's.

The int8 weights and biases are within half a step of the float ones. With those weights, every quantity of the float64
computation below carries a bound of what the integers may be off by: half a step of each product and state, and the tables'
error of interpolation. Nothing is measured; the bounds follow from the scales. Beside PyTorch, on inputs that are not rounded, half a
step of every input, weight and bias joins them, and so does what lies beyond the saturation at -8 and 8."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from torch import nn

from cpcc.fixedpoint import Requant
from cpcc.graph import Int8
from cpcc.ops import gru, gru_reset_before, lstm
from cpcc.ops.activations import sigmoid
from cpcc.ops.base import Op
from cpcc.ops.float_params import Gru, GruResetBefore, Lstm, Recurrent
from cpcc.ops.recurrent import QRecurrent
from cpcc.ops.requantized import Output

GATE, Q15, HIDDEN = 2.0**-12, 2.0**-15, 1 / 128
# States are within -1 and 1: sixteen steps of sums of a few dozen products, beside the same in float64 (2**-53) and in ONNX
# Runtime's float32 (2**-24, whose tanh is a rational approximation).
DOUBLES, FLOATS = 2.0**-53 * 2**10, 2.0**-24 * 2**6
# Linear interpolation over steps of 1/16: h**2 / 8 times the largest second derivative (1 / (6 sqrt 3) of the sigmoid,
# 4 / (3 sqrt 3) of tanh), one step of the table's entries (the last is clipped), half a step of the result.
SIGMOID_ERROR = (1 / 16) ** 2 / 8 / (6 * 3**0.5) + 1.5 * Q15
TANH_ERROR = (1 / 16) ** 2 / 8 * 4 / (3 * 3**0.5) + 1.5 * Q15
# A product: half a step of Q3.12, and half a step of the multiplier times an accumulator below 2**31.
PRODUCT_ERROR = 0.75 * GATE


@dataclass(frozen=True, eq=False)
class Bounded:
    """A real `value`, and how far the integers may be from it."""

    value: np.ndarray
    error: np.ndarray

    def __add__(self, other: Bounded) -> Bounded:
        return replace(self, value=self.value + other.value, error=self.error + other.error)

    def __mul__(self, other: Bounded) -> Bounded:
        a, b = self, other
        error = np.abs(a.value) * b.error + np.abs(b.value) * a.error + a.error * b.error
        return replace(self, value=a.value * b.value, error=error)

    def rounded(self, step: float) -> Bounded:
        return replace(self, error=self.error + step / 2)

    def saturated(self) -> Bounded:
        """At -8 and 8, as the layers' documentation says of gates and cells; never further apart than before."""
        return replace(self, value=np.clip(self.value, -8, 8 - GATE), error=np.minimum(self.error, 16))

    def split(self, count: int) -> list[Bounded]:
        parts = zip(np.split(self.value, count, axis=1), np.split(self.error, count, axis=1))
        return [replace(self, value=value, error=error) for value, error in parts]


class Unsaturated(Bounded):
    """PyTorch's value: the integers saturate and it does not."""

    def saturated(self) -> Bounded:
        return replace(self, error=self.error + np.maximum(np.abs(self.value) - (8 - GATE), 0))


def logistic(x: Bounded) -> Bounded:
    off = x.value + np.stack([-x.error, x.error])
    return replace(x, value=sigmoid(x.value), error=np.abs(sigmoid(off) - sigmoid(x.value)).max(axis=0) + SIGMOID_ERROR)


def tanh(x: Bounded) -> Bounded:
    off = x.value + np.stack([-x.error, x.error])
    return replace(x, value=np.tanh(x.value), error=np.abs(np.tanh(off) - np.tanh(x.value)).max(axis=0) + TANH_ERROR)


def interpolated(z: Bounded, h: Bounded, n: Bounded) -> Bounded:
    """n + z (h - n), with the errors of h and n counted once."""
    step = np.abs(h.value - n.value) + h.error + n.error
    error = (1 - z.value) * n.error + z.value * h.error + step * z.error
    return replace(n, value=n.value + z.value * (h.value - n.value), error=np.minimum(error, 2)).rounded(Q15)


@dataclass(frozen=True, eq=False)
class Product:
    """``weight x + bias``, float64, from an int8 x of type `kind`; what the int8 layer's weights and biases are off by."""

    weight: np.ndarray
    bias: np.ndarray
    kind: Int8
    weight_error: np.ndarray
    bias_error: np.ndarray

    def __call__(self, x: Bounded) -> Bounded:
        reach = np.abs(x.value) + x.error
        error = x.error @ np.abs(self.weight).T + reach @ self.weight_error.T + self.bias_error + PRODUCT_ERROR
        return replace(x, value=x.value @ self.weight.T + self.bias, error=error).saturated()


def product_of(q: np.ndarray, output: Output, kind: Int8, weight: np.ndarray, bias: np.ndarray) -> Product:
    """The integers' product, each weight and bias of which is within half a step of the float one."""
    assert isinstance(output.requant, Requant)
    scale = (
        output.requant.multiplier * 2.0 ** (output.requant.left_shift - 32) * GATE / kind.scale
    )  # of each row's weights
    folded = kind.zero_point * q.astype(np.int64).sum(axis=1)
    exact = np.zeros_like(weight), np.zeros_like(bias)
    found = Product(q * scale[:, None], (output.bias + folded) * scale * kind.scale, kind, *exact)
    off = 0.5 / output.requant.multiplier + 1e-7  # of the scale: the multiplier is whole, the weights are float32
    assert (np.abs(found.weight - weight) <= scale[:, None] * 0.5 + np.abs(weight) * off[:, None]).all()
    assert (np.abs(found.bias - bias) <= scale * kind.scale * 0.5 + np.abs(bias) * off).all()
    return found


def floats_of(kind: Int8, weight: np.ndarray, bias: np.ndarray) -> Product:
    """The product that PyTorch computes. Half a step of a row's largest weight / 127, of which its rarest case, few levels, makes
    16/15, or of what keeps a bias that dwarfs its weights in 28 bits."""
    largest = np.abs(weight).max(axis=1) / 127 * 16 / 15
    scale = np.maximum(largest, np.abs(bias) / (kind.scale * 2.0**28))
    return Product(weight, bias, kind, np.where(weight != 0, scale[:, None] / 2, 0), scale * kind.scale / 2)


def to_int8(h: Bounded) -> Bounded:
    """Half a step, or a whole one where the largest int8 is below; 0 is exact."""
    near_one = h.value + h.error > 1 - HIDDEN / 2
    exact = (h.value == 0) & (h.error == 0)
    return replace(h, error=h.error + np.where(exact, 0, np.where(near_one, HIDDEN, HIDDEN / 2)))


def begin(state: np.ndarray, step: float, bounded: type[Bounded]) -> Bounded:
    """A given state, rounded to integers of a `step`, of which the largest is 1 less (or 8 less) a step; zeros are exact."""
    return bounded(state, np.where(state == 0, 0, step))


def same_weights(params: Recurrent, q: QRecurrent, kind: Int8) -> list[Product]:
    """Of the input and of the state, with the int8 layer's own weights."""
    enter = product_of(q.input_weight, q.input_output, kind, params.input_weight, params.input_bias)
    return [
        enter,
        product_of(q.hidden_weight, q.hidden_output, Int8(HIDDEN, 0), params.hidden_weight, params.hidden_bias),
    ]


def float_weights(params: Recurrent, kind: Int8) -> list[Product]:
    layers = (
        (kind, params.input_weight, params.input_bias),
        (Int8(HIDDEN, 0), params.hidden_weight, params.hidden_bias),
    )
    return [floats_of(own, *(array.astype(np.float64) for array in arrays)) for own, *arrays in layers]


def states(params: Recurrent, products: list[Product], x: Bounded) -> Bounded:
    """(n, steps, units) of inputs (n, steps, inputs)."""
    enter, keep = products
    h = begin(params.begin(params.hidden, len(x.value)), Q15, type(x))
    h8 = to_int8(h) if params.hidden is not None else h
    cell = begin(params.begin(params.cell, len(x.value)), GATE, type(x))
    found = []
    for step in range(params.steps):
        entering, kept = enter(replace(x, value=x.value[:, step], error=x.error[:, step])), keep(h8)
        if isinstance(params, GruResetBefore):
            h = reset_before_step(entering, keep, h8, h)
        elif isinstance(params, Gru):
            h = gru_step(entering, kept, h)
        else:
            h, cell = lstm_step(entering, kept, cell)
        h8 = to_int8(h)
        found.append(h8)
    return replace(x, value=np.stack([f.value for f in found], 1), error=np.stack([f.error for f in found], 1))


def gru_step(entering: Bounded, kept: Bounded, h: Bounded) -> Bounded:
    (ir, iz, candidate), (hr, hz, hn) = entering.split(3), kept.split(3)
    r, z = logistic((ir + hr).saturated()), logistic((iz + hz).saturated())
    return interpolated(z, h, tanh((candidate + (r * hn).rounded(GATE)).saturated()))


def reset_before_step(entering: Bounded, keep: Product, h8: Bounded, h: Bounded) -> Bounded:
    (ir, iz, candidate), (hr, hz, _) = entering.split(3), keep(h8).split(3)
    r, z = logistic((ir + hr).saturated()), logistic((iz + hz).saturated())
    return interpolated(z, h, tanh((candidate + keep(to_int8(r * h)).split(3)[2]).saturated()))


def lstm_step(entering: Bounded, kept: Bounded, cell: Bounded) -> tuple[Bounded, Bounded]:
    i, f, g, o = (entering + kept).saturated().split(4)
    new = ((logistic(f) * cell).rounded(GATE) + (logistic(i) * tanh(g)).rounded(GATE)).saturated()
    return (logistic(o) * tanh(new)).rounded(Q15), new


LAYERS = [(gru.OP, Gru, 3), (lstm.OP, Lstm, 4)]
ALL = [*LAYERS, (gru_reset_before.OP, GruResetBefore, 3)]


def drawn(rng: np.random.Generator, kind: type, gates: int) -> tuple[Recurrent, Int8, np.ndarray]:
    """A layer of random size and length, the type of its input, int8 inputs (4, 1, steps, inputs)."""
    inputs, units, steps = int(rng.integers(1, 9)), int(rng.integers(1, 13)), int(rng.integers(1, 17))
    spread = float(rng.choice([0.5, 1.0, 2.0]))
    sizes = ((gates * units, inputs), (gates * units,), (gates * units, units), (gates * units,))
    weights = [(rng.normal(0, spread, size) / units**0.5).astype(np.float32) for size in sizes]
    x = Int8(float(rng.uniform(0.5, 2)) / 127, int(rng.integers(-128, 128)))
    states = [rng.uniform(-1, 1, units).astype(np.float32) if rng.integers(2) else None for _ in range(gates - 2)]
    return kind(steps, *weights, *states), x, rng.integers(-128, 128, (4, 1, steps, inputs)).astype(np.int8)


@pytest.mark.parametrize(("op", "kind", "gates"), ALL)
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_int8_stays_within_the_bound(op: Op, kind: type, gates: int, seed: int) -> None:
    params, x, q = drawn(np.random.default_rng(seed), kind, gates)
    integers = op.quantize(params, (x,), op.output_type(params, (x,)))
    real = x.dequantize(q[:, 0])
    expected = states(params, same_weights(params, integers, x), Bounded(real, np.zeros_like(real)))
    off = np.abs(op.run_int8(integers, q)[:, 0] * HIDDEN - expected.value)
    assert (off <= expected.error + 1e-9).all(), f"{(off - expected.error).max()} beyond the bound"
    little = 0.012 if params.hidden is params.cell is None else 0.1  # the state that it begins with is rounded to int8
    assert expected.error[:, 0].max() < little, "a bound that says little about the first step"


@pytest.mark.parametrize(("op", "kind", "gates"), ALL)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_float_semantics_are_torchs_and_onnxs(op: Op, kind: type, gates: int, seed: int) -> None:
    params, x, q = drawn(np.random.default_rng(seed), kind, gates)
    real = x.dequantize(q[:, 0])
    own = op.run_float(params, real[:, None])[:, 0]
    if kind is not GruResetBefore:  # torch has none
        np.testing.assert_allclose(own, by_torch(params, real), rtol=0, atol=DOUBLES)
    np.testing.assert_allclose(own, by_onnx(params, real.astype(np.float32)), rtol=0, atol=FLOATS)


@pytest.mark.parametrize(("op", "kind", "gates"), LAYERS)
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_int8_is_as_near_to_torch_as_its_scales_allow(op: Op, kind: type, gates: int, seed: int) -> None:
    """Inputs, weights and biases rounded; PyTorch in float64 has none of that."""
    rng = np.random.default_rng(seed)
    params, x, q = drawn(rng, kind, gates)
    real = x.dequantize(q[:, 0]) + rng.uniform(-0.5, 0.5, q[:, 0].shape) * x.scale
    integers = op.quantize(params, (x,), op.output_type(params, (x,)))
    bound = states(params, float_weights(params, x), Unsaturated(real, np.full_like(real, x.scale / 2))).error
    off = np.abs(op.run_int8(integers, x.quantize(real)[:, None])[:, 0] * HIDDEN - by_torch(params, real))
    assert (off <= bound + 1e-9).all(), f"{(off - bound).max()} beyond the bound"


def by_torch(params: Recurrent, x: np.ndarray) -> np.ndarray:
    """In the type of `x`."""
    units, inputs = params.hidden_weight.shape[1], params.input_weight.shape[1]
    layer = (nn.GRU if isinstance(params, Gru) else nn.LSTM)(
        inputs, units, batch_first=True, dtype=torch.from_numpy(x).dtype
    )
    arrays = (params.input_weight, params.hidden_weight, params.input_bias, params.hidden_bias)
    with torch.no_grad():
        for parameter, array in zip(layer.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(array))
        hidden, cell = (
            torch.tensor(params.begin(v, len(x)).astype(x.dtype))[None] for v in (params.hidden, params.cell)
        )
        return layer(torch.from_numpy(x), hidden if isinstance(params, Gru) else (hidden, cell))[0].numpy()


def by_onnx(params: Recurrent, x: np.ndarray) -> np.ndarray:
    """ONNX's order of gates is z, r, n and i, o, f, g; its GRU applies r after the product where told to."""
    order, code = ([0, 3, 1, 2], "LSTM") if isinstance(params, Lstm) else ([1, 0, 2], "GRU")
    units = params.hidden_weight.shape[1]

    def turned(array: np.ndarray) -> np.ndarray:
        return np.concatenate([np.split(array, len(order))[i] for i in order])[None]

    biases = np.concatenate([turned(params.input_bias), turned(params.hidden_bias)], axis=1)
    constants = {"w": turned(params.input_weight), "r": turned(params.hidden_weight), "b": biases}
    names = ["h"] if code == "GRU" else ["h", "c"]
    constants |= {
        n: params.begin(v, len(x)).astype(np.float32)[None] for n, v in zip(names, (params.hidden, params.cell))
    }
    more = {"linear_before_reset": int(isinstance(params, Gru))} if code == "GRU" else {}
    node = helper.make_node(code, ["x", "w", "r", "b", "", *names], ["y"], hidden_size=units, **more)
    steps_first = np.ascontiguousarray(x.transpose(1, 0, 2))
    ports = [
        helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in (("x", steps_first.shape), ("y", None))
    ]
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([node], "layer", ports[:1], ports[1:], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": steps_first})[0][:, 0].transpose(1, 0, 2)
