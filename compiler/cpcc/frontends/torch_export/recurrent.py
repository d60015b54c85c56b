"""GRU and LSTM: one node per layer, from a state of zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.recurrent import Gates, layer, steps_of
from cpcc.frontends.channels_first.slices import sliced
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, kind, refuse, site
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch


def _recurrent(importer: Importer, node: torch.fx.Node) -> list[Value]:
    """[outputs of every step, state after the last]."""
    a, value = arguments(node), importer.value(node)
    if a["bidirectional"]:
        raise refuse(node, "bidirectional", True, "one direction")
    states = a["hx"] if isinstance(a["hx"], Sequence) else [a["hx"]]
    if any(importer.constant(node, state, "initial state").any() for state in states):
        raise refuse(node, "an initial state", "other than zeros", "zeros")
    unused = [user for user in node.users if user.args[1] == 2 and user.users]
    if unused or (any(user.args[1] == 1 and user.users for user in node.users) and a["num_layers"] > 1):
        raise refuse(node, "the use of", "a cell state, or of the states of several layers", "the outputs")
    per_layer = 4 if a["has_biases"] else 2
    for index in range(a["num_layers"]):
        weights = a["params"][index * per_layer : (index + 1) * per_layer]
        value = _layer(importer, node, value, [importer.constant(node, w, "weight") for w in weights])
    steps = steps_of(value)
    last = sliced(importer, site(node), value, value.shape.index(steps), steps - 1, 1)
    state = Value(last.tensor, tuple(node.meta["val"][1].shape), last.factors, last.storage)
    return [value, state]


def _layer(importer: Importer, node: torch.fx.Node, value: Value, weights: list[np.ndarray]) -> Value:
    biases = weights[2:] or [np.zeros(len(weights[0]))] * 2
    gates = Gates(weights[0], biases[0], weights[1], biases[1])
    output = node.name if node.name not in importer.tensors else f"{node.name}.{len(importer.tensors)}"
    return layer(importer, site(node), value, gates, fp.Gru if kind(node) == "gru" else fp.Lstm, output)


FAMILY = (
    Layers(("GRU", "LSTM"), "gru, lstm", "one direction, from a state of zeros; the cell state is no output",
           dict.fromkeys(("gru", "lstm"), _recurrent)),
)  # fmt: skip
