"""GRU and LSTM: one node per layer, from a state of zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer, Value
from cpcc.frontends.torch_export.slices import sliced
from cpcc.frontends.torch_export.source import arguments, kind, node_name, refuse, source_line
from cpcc.ops import float_params as fp
from cpcc.optimize import to_float32

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
    for layer in range(a["num_layers"]):
        weights = a["params"][layer * per_layer : (layer + 1) * per_layer]
        value = _layer(importer, node, value, [importer.constant(node, w, "weight") for w in weights])
    last = sliced(importer, node, value, value.shape.index(_steps(value)), _steps(value) - 1, 1)
    state = Value(last.tensor, tuple(node.meta["val"][1].shape), last.factors, last.storage)
    return [value, state]


def _steps(value: Value) -> int:
    """Length of the sequence: the batch is 1 and the features are last."""
    return int(np.prod(value.shape[:-1]))


def _layer(importer: Importer, node: torch.fx.Node, value: Value, weights: list[np.ndarray]) -> Value:
    name, steps, inputs = node_name(node), _steps(value), value.shape[-1]
    source = importer.laid_out(value, (1, steps, inputs), (0, 1, 2), name, source_line(node))
    units = weights[1].shape[1]
    biases = weights[2:] or [np.zeros(len(weights[0]))] * 2
    arrays: Any = [to_float32(w, name) for w in (weights[0], biases[0], weights[1], biases[1])]
    params = (fp.Gru if kind(node) == "gru" else fp.Lstm)(steps, *arrays)
    output = node.name if node.name not in importer.tensors else f"{node.name}.{len(importer.tensors)}"
    result = importer.fresh(output, (*value.shape[:-1], units), (1, steps, units), (0, 1, 2))
    importer.append(name, params, (source.tensor,), output, source_line(node))
    return result


FAMILY = (
    Layers(("GRU", "LSTM"), "gru, lstm", "one direction, from a state of zeros; the cell state is no output",
           dict.fromkeys(("gru", "lstm"), _recurrent)),
)  # fmt: skip
