"""Gated recurrent unit whose reset gate acts on the state before the product: ONNX's ``linear_before_reset = 0``, Keras' ``reset_after=False``.

    r, z = sigmoid(W x + b + U h + c)      n = tanh(W x + b + U (r h) + c)      h = n + z (h - n)

Rows of the weights in the order r, z, n. Source: Cho et al. 2014, arXiv 1406.1078. Arithmetic: `cpcc.ops.recurrent`; r h is rounded once to
int8, scale 1/128, which is what the products take.
"""

from __future__ import annotations

import numpy as np

from cpcc.graph import Int8
from cpcc.ops import recurrent
from cpcc.ops.activations import sigmoid
from cpcc.ops.float_params import GruResetBefore
from cpcc.ops.recurrent import QRecurrent, interpolate, saturate16, table, to_int8


class QGruResetBefore(QRecurrent):
    """`QRecurrent` with three gates."""


def run_float(params: GruResetBefore, x: np.ndarray) -> np.ndarray:
    h = params.begin(params.hidden, len(x))
    candidate_weight, candidate_bias = (np.split(v, 3)[2] for v in (params.hidden_weight, params.hidden_bias))
    states = []
    for step in range(params.steps):
        gi = np.asarray(x[:, 0, step], np.float64) @ params.input_weight.T + params.input_bias
        gh = h @ params.hidden_weight.T + params.hidden_bias
        (ir, iz, candidate), (hr, hz, _) = np.split(gi, 3, axis=1), np.split(gh, 3, axis=1)
        z = sigmoid(iz + hz)
        n = np.tanh(candidate + (sigmoid(ir + hr) * h) @ candidate_weight.T + candidate_bias)
        h = n + z * (h - n)
        states.append(h)
    return np.stack(states, axis=1)[:, None]


def run_int8(params: QGruResetBefore, x: np.ndarray) -> np.ndarray:
    h, h8 = (np.tile(v, (len(x), 1)) for v in (params.state.astype(np.int64), params.hidden))
    states = []
    logistic, tanh = table("sigmoid"), table("tanh")
    for step in range(params.steps):
        ir, iz, candidate = np.split(params.input_gates(x[:, 0, step]), 3, axis=1)
        hr, hz, _ = np.split(params.hidden_gates(h8), 3, axis=1)
        r, z = (interpolate(logistic, saturate16(v)) for v in (ir + hr, iz + hz))
        kept = np.minimum((r * h + (1 << 22)) >> 23, 127).astype(np.int8)
        n = interpolate(tanh, saturate16(candidate + np.split(params.hidden_gates(kept), 3, axis=1)[2]))
        h = n + ((z * (h - n) + (1 << 14)) >> 15)
        h8 = to_int8(h)
        states.append(h8)
    return np.stack(states, axis=1)[:, None]


def quantize(params: GruResetBefore, inputs: tuple[Int8, ...], output: Int8) -> QGruResetBefore:
    return QGruResetBefore(*recurrent.quantize_parts(params, inputs[0], params.hidden, recurrent.ONE))


OP = recurrent.op("gru_reset_before", GruResetBefore, QGruResetBefore, 3, run_float, run_int8, quantize)
