"""Gated recurrent unit over a sequence.

    r, z = sigmoid(W x + b + U h + c)      n = tanh(W x + b + r (U h + c))      h = n + z (h - n)

Rows of the weights in the order r, z, n. Source: torch.nn.GRU. Arithmetic: `cpcc.ops.recurrent`; the state is kept in Q0.15, so
that small updates are not lost, and rounded to int8 for the products and the output.
"""

from __future__ import annotations

import numpy as np

from cpcc.graph import Int8
from cpcc.ops import recurrent
from cpcc.ops.activations import sigmoid
from cpcc.ops.float_params import Gru
from cpcc.ops.recurrent import QRecurrent, interpolate, saturate16, table, to_int8


class QGru(QRecurrent):
    """`QRecurrent` with three gates."""


def run_float(params: Gru, x: np.ndarray) -> np.ndarray:
    h = params.begin(params.hidden, len(x))
    states = []
    for step in range(params.steps):
        gi = np.asarray(x[:, 0, step], np.float64) @ params.input_weight.T + params.input_bias
        gh = h @ params.hidden_weight.T + params.hidden_bias
        (ir, iz, candidate), (hr, hz, hn) = np.split(gi, 3, axis=1), np.split(gh, 3, axis=1)
        z = sigmoid(iz + hz)
        n = np.tanh(candidate + sigmoid(ir + hr) * hn)
        h = n + z * (h - n)
        states.append(h)
    return np.stack(states, axis=1)[:, None]


def run_int8(params: QGru, x: np.ndarray) -> np.ndarray:
    h, h8 = (np.tile(v, (len(x), 1)) for v in (params.state.astype(np.int64), params.hidden))
    states = []
    logistic, tanh = table("sigmoid"), table("tanh")
    for step in range(params.steps):
        ir, iz, candidate = np.split(params.input_gates(x[:, 0, step]), 3, axis=1)
        hr, hz, hn = np.split(params.hidden_gates(h8), 3, axis=1)
        r, z = (interpolate(logistic, saturate16(v)) for v in (ir + hr, iz + hz))
        n = interpolate(tanh, saturate16(candidate + ((r * hn + (1 << 14)) >> 15)))
        h = n + ((z * (h - n) + (1 << 14)) >> 15)
        h8 = to_int8(h)
        states.append(h8)
    return np.stack(states, axis=1)[:, None]


def quantize(params: Gru, inputs: tuple[Int8, ...], output: Int8) -> QGru:
    return QGru(*recurrent.quantize_parts(params, inputs[0], params.hidden, recurrent.ONE))


OP = recurrent.op("gru", Gru, QGru, 3, run_float, run_int8, quantize)
