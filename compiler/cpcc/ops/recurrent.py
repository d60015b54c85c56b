"""What gru and lstm share: gates in Q3.12, activations in Q0.15, weights in int8.

A gate's argument is the sum of two products (input and hidden state), each requantized to int16 with 12 fractional bits and
saturated at -8 and 8. Sigmoid and tanh are tables of 257 int16 values over [-8, 8] with linear interpolation. The hidden state
that enters the products is int8 of scale 1/128; it cannot leave [-1, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import INT32_MAX, Requant, accumulator_bound, exact_dot, narrow
from cpcc.graph import Graph, Int8, Node
from cpcc.ops.activations import sigmoid
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Recurrent
from cpcc.ops.requantized import Output, quantize_affine

GATE = Int8(2.0**-12, 0)  # the step of a gate's argument; it has 16 bits
HIDDEN = Int8(1 / 128, 0)
ONE = 1 << 15


@dataclass(frozen=True, eq=False)
class QRecurrent:
    """int8 weights (gates * units, inputs) and (gates * units, units), and how each product becomes Q3.12. The layer begins with the
    int16 `state` (units,) that it keeps and the int8 `hidden` state (units,)."""

    steps: int
    input_weight: np.ndarray
    input_output: Output
    hidden_weight: np.ndarray
    hidden_output: Output
    state: np.ndarray
    hidden: np.ndarray

    @property
    def units(self) -> int:
        return self.hidden_weight.shape[1]

    def input_gates(self, x: np.ndarray) -> np.ndarray:
        """(n, gates * units) int64 Q3.12 of int8 inputs (n, inputs)."""
        return _product(self.input_weight, self.input_output, x)

    def hidden_gates(self, h: np.ndarray) -> np.ndarray:
        """(n, gates * units) int64 Q3.12 of int8 states (n, units)."""
        return _product(self.hidden_weight, self.hidden_output, h)


def _product(weight: np.ndarray, output: Output, x: np.ndarray) -> np.ndarray:
    return saturate16(output.requant.scale(exact_dot(x, weight) + output.bias))


def saturate16(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -ONE, ONE - 1)


def table(function: str) -> np.ndarray:
    """(257,) int16 Q0.15: "sigmoid" or "tanh" of -8, -8 + 1/16, ... 8."""
    x = np.arange(257) / 16 - 8
    y = sigmoid(x) if function == "sigmoid" else np.tanh(x)
    return narrow(np.minimum(np.rint(y * ONE), ONE - 1), np.int16)


def interpolate(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """int64 Q0.15 of int16 arguments in Q3.12."""
    index, fraction = (x + ONE) >> 8, x & 255
    left, right = values[index].astype(np.int64), values[index + 1].astype(np.int64)
    return left + (((right - left) * fraction + 128) >> 8)


def to_int8(x: np.ndarray) -> np.ndarray:
    """int8 of Q0.15, halves up."""
    return np.minimum((x + 128) >> 8, 127).astype(np.int8)


def infer_shape(params: Recurrent | QRecurrent, x: tuple[int, ...]) -> tuple[int, ...]:
    units, inputs = params.hidden_weight.shape[1], params.input_weight.shape[1]
    if x != (1, params.steps, inputs):
        raise ModelError(f"recurrent: the input is {x}, expected (1, {params.steps} steps, {inputs})")
    return (1, params.steps, units)


def quantize_parts(params: Recurrent, x: Int8, kept: np.ndarray | None, one: int) -> tuple[Any, ...]:
    """The fields of `QRecurrent`; the state that it keeps begins as `kept`, `one` times which is an integer."""
    input_weight, input_output = quantize_affine(params.input_weight, params.input_bias, x, GATE, False)
    hidden_weight, hidden_output = quantize_affine(params.hidden_weight, params.hidden_bias, HIDDEN, GATE, False)
    state, hidden = (fixed(params.begin(v, 1)[0], unit) for v, unit in ((kept, one), (params.hidden, ONE)))
    return (
        params.steps,
        input_weight,
        input_output,
        hidden_weight,
        hidden_output,
        state,
        to_int8(hidden.astype(np.int64)),
    )


def fixed(values: np.ndarray, one: int) -> np.ndarray:
    """int16 `values` in units of ``1 / one``, saturated."""
    return narrow(saturate16(np.rint(values * one).astype(np.int64)), np.int16)


def check(node: Node, graph: Graph) -> None:
    """Proof that no accumulator leaves int32."""
    p = node.params
    if not isinstance(p, QRecurrent):
        return
    for weight, output in ((p.input_weight, p.input_output), (p.hidden_weight, p.hidden_output)):
        bound = int(np.max(output.requant.reach(accumulator_bound(weight, output.bias))))
        if bound > INT32_MAX:
            raise ModelError(
                f"{node.name}: an accumulator can reach {bound}, the limit is {INT32_MAX}; use fewer inputs"
            )


def hidden_type(params: object, inputs: tuple[Int8, ...]) -> Int8:
    return HIDDEN


def macs(params: QRecurrent, out_shape: tuple[int, ...]) -> tuple[int, int]:
    weights = (params.input_weight, params.hidden_weight)
    return params.steps * sum(w.size for w in weights), params.steps * sum(int(np.count_nonzero(w)) for w in weights)


def pack(node: Node, graph: Graph) -> Packed:
    """The C struct ``cpcc_recurrent_t``. Scratch: the int16 state, and zeros for the first step."""
    p: QRecurrent = node.params
    fields: dict[str, int | np.ndarray] = {"steps": p.steps, "inputs": p.input_weight.shape[1], "units": p.units}
    for name, weight, output in (
        ("input", p.input_weight, p.input_output),
        ("hidden", p.hidden_weight, p.hidden_output),
    ):
        assert isinstance(output.requant, Requant)
        fields |= {
            f"{name}.weights": weight, f"{name}.bias": output.bias, f"{name}.multiplier": output.requant.multiplier,
            f"{name}.left_shift": output.requant.left_shift,
        }  # fmt: skip
    fields |= {"sigmoid": table("sigmoid"), "tanh": table("tanh"), "initial": initial_bytes(p)}
    return Packed(fields, 3 * p.units)


def initial_bytes(p: QRecurrent) -> np.ndarray | int:
    """int8 (3 * units,): the state, low bytes first, and the hidden state; 0, no array, where all are zeros."""
    if not (p.state.any() or p.hidden.any()):
        return 0
    return np.concatenate([p.state.astype("<i2").view(np.int8), p.hidden])


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    p: QRecurrent = node.params
    return 1.0, p.units, p.steps, p.steps * p.units, p.steps * (p.input_weight.size + p.hidden_weight.size)


def sample_weights(rng: np.random.Generator, gates: int) -> tuple[Any, ...]:
    """The fields of random float parameters: small and large weights, biases that saturate a gate, states to begin with."""
    steps, inputs, units = (int(v) for v in rng.integers(1, 7, 3))
    scale, bias = rng.choice([0.3, 1.0, 4.0]), rng.choice([0.0, 0.5, 12.0])
    sizes = ((gates * units, inputs), (gates * units,), (gates * units, units), (gates * units,))
    arrays = [rng.normal(0, s, size).astype(np.float32) for s, size in zip((scale, bias, scale, bias), sizes)]
    begin = [rng.uniform(-limit, limit, units).astype(np.float32) if rng.integers(2) else None for limit in (1, 8)]
    return steps, *arrays, *begin[: 1 if gates == 3 else 2]


def op(
    name: str, float_params: type[Recurrent], int8_params: type[QRecurrent], gates: int,
    run_float: Callable[..., np.ndarray], run_int8: Callable[..., np.ndarray],
    quantize: Callable[[Any, tuple[Int8, ...], Int8], QRecurrent],
) -> Op:  # fmt: skip
    """The op of a recurrent layer with so many `gates`: its equations are all that is its own."""

    def sample(rng: np.random.Generator) -> tuple[Recurrent, tuple[tuple[int, ...], ...]]:
        params = float_params(*sample_weights(rng, gates))
        return params, ((1, params.steps, params.input_weight.shape[1]),)

    kernel = Kernel(name, pack, fitted(name, features), streaming=True, shared=("include/cpcc_recurrent.h",))
    return Op(
        name=name,
        float_params=float_params,
        int8_params=int8_params,
        infer_shape=infer_shape,
        run_float=run_float,
        run_int8=run_int8,
        quantize=quantize,
        sample=sample,
        kernels=(kernel,),
        output_type=hidden_type,
        macs=macs,
        check=check,
        weights=("input_weight", "hidden_weight"),
    )
