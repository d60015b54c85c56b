"""GRU and LSTM, forward, from a state of zeros."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.recurrent import Gates, layer, steps_of
from cpcc.frontends.channels_first.slices import sliced
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer
from cpcc.frontends.onnx.operator import Operator
from cpcc.ops import float_params as fp

_ORDER = {"GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}  # ONNX: z, r, h and i, o, f, c; the graph: r, z, n and i, f, g, o
_ACTIVATIONS = {"GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}


def _recurrent(importer: Importer, op: Operator) -> list[Value | None]:
    """[states of all steps (steps, 1, 1, units), the last (1, 1, units)], or batch first where layout is 1."""
    _check(importer, op)
    value, batch_first = importer.value(op), bool(op.attributes.get("layout"))
    if len(value.shape) != 3 or value.shape[0 if batch_first else 1] != 1:
        raise op.refuse("an input of shape", value.shape, "a batch of 1")
    kind = fp.Gru if op.type == "GRU" else fp.Lstm
    states = layer(importer, op.site(), value, _gates(importer, op, value.shape[-1]), kind, op.site().output)
    steps, units = steps_of(value), states.shape[-1]
    last = sliced(importer, op.site(), states, 1 if batch_first else 0, steps - 1, 1)
    shape = (1, steps, 1, units) if batch_first else (steps, 1, 1, units)
    return [replace(states, shape=shape), replace(last, shape=(1, 1, units))]


def _check(importer: Importer, op: Operator) -> None:
    a = op.attributes
    refused = {
        "direction": a["direction"] != "forward", "clip": "clip" in a, "input_forget": bool(a.get("input_forget")),
        "activations": tuple(a.get("activations") or _ACTIVATIONS[op.type]) != _ACTIVATIONS[op.type],
    }  # fmt: skip
    for name, wrong in refused.items():
        if wrong:
            raise op.refuse(name, a[name], "direction forward, the default activations, no clip, no input_forget")
    if op.type == "GRU" and not a["linear_before_reset"]:
        raise op.refuse("linear_before_reset", 0, "1, as torch.onnx writes it")
    if importer.has(op, 7):
        raise op.refuse("a peephole", "", "LSTM without it")
    for operand in (5, 6):
        if importer.has(op, operand) and importer.weights(op, operand, "an initial state").any():
            raise op.refuse("an initial state", "other than zeros", "zeros")
    if importer.has(op, 4):
        raise op.refuse("sequence_lens", "", "sequences of one length")
    if len(op.outputs) > 2 and op.outputs[2] in importer.read:
        raise op.refuse("the use of", "a cell state", "the outputs")


def _gates(importer: Importer, op: Operator, inputs: int) -> Gates:
    order = _ORDER[op.type]
    own, hidden = importer.weights(op, 1, "W"), importer.weights(op, 2, "R")
    count, units = len(order), hidden.shape[-1]
    if own.shape != (1, count * units, inputs) or hidden.shape != (1, count * units, units):
        raise op.refuse("weights of shape", f"{own.shape}, {hidden.shape}", f"(1, {count} * units, ...)")
    biases = importer.weights(op, 3, "B") if importer.has(op, 3) else np.zeros((1, 2 * count * units))
    if biases.shape != (1, 2 * count * units):
        raise op.refuse("B of shape", biases.shape, f"(1, {2 * count * units})")

    def ordered(array: np.ndarray) -> np.ndarray:
        return array.reshape(count, units, -1)[list(order)].reshape(count * units, -1)

    halves = (ordered(half)[:, 0] for half in np.split(biases[0], 2))
    input_bias, hidden_bias = halves
    return Gates(ordered(own[0]), input_bias, ordered(hidden[0]), hidden_bias)


FAMILY = (
    Operators("gru, lstm", "forward, from a state of zeros; GRU with linear_before_reset; the cell state is no output",
              dict.fromkeys(("GRU", "LSTM"), _recurrent)),
)  # fmt: skip
