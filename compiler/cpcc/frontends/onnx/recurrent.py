"""GRU and LSTM, in one direction or both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.recurrent import Gates, Kind, passes, side_by_side, steps_of
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.importer import Importer
from cpcc.frontends.onnx.operator import Operator
from cpcc.ops import float_params as fp

_ORDER = {"GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}  # ONNX: z, r, h and i, o, f, c; the graph: r, z, n and i, f, g, o
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}  # whether backwards
_ACTIVATIONS = {"GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}


def _recurrent(importer: Importer, op: Operator) -> list[Value | None]:
    """[states of all steps (steps, directions, 1, units), the last (directions, 1, units)], or batch first where layout is 1."""
    _check(importer, op)
    value, batch_first = importer.value(op), bool(op.attributes.get("layout"))
    if len(value.shape) != 3 or value.shape[0 if batch_first else 1] != 1:
        raise op.refuse("an input of shape", value.shape, "a batch of 1")
    backwards = _DIRECTIONS[op.attributes["direction"]]
    gates = [_gates(importer, op, number, value.shape[-1]) for number in range(len(backwards))]
    site, steps, units = op.site(), steps_of(value), gates[0].hidden_weight.shape[1]
    found = passes(importer, site, value, gates, _kind(op), backwards)
    shape, axis = ((1, steps, 1, units), 2) if batch_first else ((steps, 1, 1, units), 1)
    states = [replace(p.states, shape=shape) for p in found]
    last = [replace(p.last, shape=(1, 1, units)) for p in found]
    return [side_by_side(importer, site, states, axis, f"{site.output}.both"),
            side_by_side(importer, site, last, 1 if batch_first else 0, f"{site.output}.states")]  # fmt: skip


def _kind(op: Operator) -> Kind:
    if op.type == "LSTM":
        return fp.Lstm
    return fp.Gru if op.attributes["linear_before_reset"] else fp.GruResetBefore


def _check(importer: Importer, op: Operator) -> None:
    a = op.attributes
    refused = {
        "direction": a["direction"] not in _DIRECTIONS, "clip": "clip" in a, "input_forget": bool(a.get("input_forget")),
        "activations": tuple(a.get("activations") or _ACTIVATIONS[op.type]) != _ACTIVATIONS[op.type],
    }  # fmt: skip
    if op.attributes["direction"] == "bidirectional" and len(a.get("activations") or ()) == 2 * len(
        _ACTIVATIONS[op.type]
    ):
        refused["activations"] = tuple(a["activations"]) != 2 * _ACTIVATIONS[op.type]
    for name, wrong in refused.items():
        if wrong:
            raise op.refuse(
                name, a[name], "forward, reverse and bidirectional, the default activations, no clip, no input_forget"
            )
    if importer.has(op, 7):
        raise op.refuse("a peephole", "", "LSTM without it")
    if importer.has(op, 4):
        raise op.refuse("sequence_lens", "", "sequences of one length")
    if len(op.outputs) > 2 and op.outputs[2] in importer.read:
        raise op.refuse("the use of", "a cell state", "the outputs")


def _gates(importer: Importer, op: Operator, number: int, inputs: int) -> Gates:
    """Of direction `number`."""
    order = _ORDER[op.type]
    own, hidden = importer.weights(op, 1, "W"), importer.weights(op, 2, "R")
    count, units, directions = len(order), hidden.shape[-1], len(_DIRECTIONS[op.attributes["direction"]])
    if own.shape != (directions, count * units, inputs) or hidden.shape != (directions, count * units, units):
        raise op.refuse("weights of shape", f"{own.shape}, {hidden.shape}", f"({directions}, {count} * units, ...)")
    biases = importer.weights(op, 3, "B") if importer.has(op, 3) else np.zeros((directions, 2 * count * units))
    if biases.shape != (directions, 2 * count * units):
        raise op.refuse("B of shape", biases.shape, f"({directions}, {2 * count * units})")

    def ordered(array: np.ndarray) -> np.ndarray:
        return array.reshape(count, units, -1)[list(order)].reshape(count * units, -1)

    input_bias, hidden_bias = (ordered(half)[:, 0] for half in np.split(biases[number], 2))
    return Gates(
        ordered(own[number]), input_bias, ordered(hidden[number]), hidden_bias, _states(importer, op, number, units)
    )


def _states(importer: Importer, op: Operator, number: int, units: int) -> tuple[np.ndarray, ...]:
    """What direction `number` begins with, (units,) each, zeros where nothing is given: hidden, and of an LSTM the cell."""
    found = []
    for operand in (5, 6)[: 1 if op.type == "GRU" else 2]:
        given = importer.weights(op, operand, "an initial state") if importer.has(op, operand) else None
        if given is not None and given.size != len(_DIRECTIONS[op.attributes["direction"]]) * units:
            raise op.refuse("an initial state of shape", given.shape, f"(directions, 1, {units})")
        found.append(np.zeros(units) if given is None else given.reshape(-1, units)[number])
    return tuple(found)


FAMILY = (
    Operators("gru, gru_reset_before (linear_before_reset 0), lstm", "initial states constant, hidden -1 to 1 and cell -8 to 8; the cell state is no output",
              dict.fromkeys(("GRU", "LSTM"), _recurrent)),
)  # fmt: skip
