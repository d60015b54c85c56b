"""Long short-term memory over a sequence.

    i, f, o = sigmoid(W x + b + U h + c)    g = tanh(W x + b + U h + c)    cell = f cell + i g    h = o tanh(cell)

Rows of the weights in the order i, f, g, o. Source: torch.nn.LSTM. Arithmetic: `cpcc.ops.recurrent`; the cell is kept in Q3.12
and saturates at -8 and 8.
"""

from __future__ import annotations

import numpy as np

from cpcc.graph import Int8
from cpcc.ops import recurrent
from cpcc.ops.activations import sigmoid
from cpcc.ops.float_params import Lstm
from cpcc.ops.recurrent import QRecurrent, interpolate, saturate16, table, to_int8


class QLstm(QRecurrent):
    """`QRecurrent` with four gates."""


def run_float(params: Lstm, x: np.ndarray) -> np.ndarray:
    h, cell = (params.begin(state, len(x)) for state in (params.hidden, params.cell))
    states = []
    for step in range(params.steps):
        gates = np.asarray(x[:, 0, step], np.float64) @ params.input_weight.T + params.input_bias
        i, f, g, o = np.split(gates + h @ params.hidden_weight.T + params.hidden_bias, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(cell)
        states.append(h)
    return np.stack(states, axis=1)[:, None]


def run_int8(params: QLstm, x: np.ndarray) -> np.ndarray:
    cell, h8 = (np.tile(v, (len(x), 1)) for v in (params.state.astype(np.int64), params.hidden))
    states = []
    logistic, tanh = table("sigmoid"), table("tanh")
    for step in range(params.steps):
        gates = saturate16(params.input_gates(x[:, 0, step]) + params.hidden_gates(h8))
        gi, gf, gg, go = np.split(gates, 4, axis=1)
        i, f, o = (interpolate(logistic, v) for v in (gi, gf, go))
        kept, added = (f * cell + (1 << 14)) >> 15, (i * interpolate(tanh, gg) + (1 << 17)) >> 18
        cell = saturate16(kept + added)
        h8 = to_int8((o * interpolate(tanh, cell) + (1 << 14)) >> 15)
        states.append(h8)
    return np.stack(states, axis=1)[:, None]


def quantize(params: Lstm, inputs: tuple[Int8, ...], output: Int8) -> QLstm:
    return QLstm(*recurrent.quantize_parts(params, inputs[0], params.cell, round(1 / recurrent.GATE.scale)))


OP = recurrent.op("lstm", Lstm, QLstm, 4, run_float, run_int8, quantize)
