"""GRU and LSTM: one node per layer and direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.channels_first.recurrent import Gates, passes, side_by_side
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, kind, refuse, site
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch


def _recurrent(importer: Importer, node: torch.fx.Node) -> list[Value]:
    """[outputs of every step, the states after the last: of every layer and direction, in this order]."""
    a, value = arguments(node), importer.value(node)
    if any(user.args[1] == 2 and user.users for user in node.users):
        raise refuse(node, "the use of", "a cell state", "the outputs and the hidden state")
    directions = 2 if a["bidirectional"] else 1
    own = site(node)
    outputs = [own.output if layer == 0 else f"{own.output}.layer{layer}" for layer in range(a["num_layers"])]
    last: list[Value] = []
    for layer, output in enumerate(outputs):
        gates = [_gates(importer, node, layer * directions + i) for i in range(directions)]
        found = passes(
            importer, replace(own, output=output), value, gates, _KINDS[kind(node)], [False, True][:directions]
        )
        value = side_by_side(importer, own, [p.states for p in found], len(value.shape) - 1, f"{output}.both")
        last += [p.last for p in found]
    states = [replace(v, shape=(1, *v.shape[1:]) if len(v.shape) == 3 else v.shape) for v in last]
    used = any(user.args[1] == 1 and user.users for user in node.users)
    state = side_by_side(importer, own, states, 0, f"{own.output}.states") if used else states[0]
    return [value, replace(state, shape=tuple(node.meta["val"][1].shape))]


_KINDS: dict[str, type[fp.Gru] | type[fp.Lstm]] = {"gru": fp.Gru, "lstm": fp.Lstm}


def _gates(importer: Importer, node: torch.fx.Node, number: int) -> Gates:
    """Of direction `number`, counted through all layers."""
    a = arguments(node)
    count = 4 if a["has_biases"] else 2
    weights = [importer.constant(node, w, "weight") for w in a["params"][number * count : (number + 1) * count]]
    biases = weights[2:] or [np.zeros(len(weights[0]))] * 2
    given = a["hx"] if isinstance(a["hx"], Sequence) else [a["hx"]]
    states = [importer.constant(node, state, "initial state") for state in given]
    own = tuple(np.asarray(state).reshape(-1, weights[1].shape[1])[number] for state in states)
    return Gates(weights[0], biases[0], weights[1], biases[1], own)


FAMILY = (
    Layers(("GRU", "LSTM"), "gru, lstm", "several layers, both directions; initial states constant, hidden -1 to 1 and cell -8 to 8; the cell state is no output",
           dict.fromkeys(("gru", "lstm"), _recurrent)),
)  # fmt: skip
