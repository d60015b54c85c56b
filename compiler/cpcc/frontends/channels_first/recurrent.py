"""GRU and LSTM: one node per layer and direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.site import Site
from cpcc.frontends.channels_first.slices import concatenated, flipped, sliced
from cpcc.ops import float_params as fp
from cpcc.passes.batch_norm import to_float32

LIMITS = (1, 8)  # of a hidden state, and of a cell's: what the integers hold


@dataclass(frozen=True, eq=False)
class Gates:
    """Weights (gates * units, inputs) and (gates * units, units) and biases (gates * units,), in torch's order of gates; the states
    to begin with, hidden and of a cell, each (units,), empty for zeros."""

    input_weight: np.ndarray
    input_bias: np.ndarray
    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    states: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True, eq=False)
class Pass:
    """One direction of a layer: the states after every step, in the sequence's order, and the one after its last step."""

    states: Value
    last: Value


def steps_of(value: Value) -> int:
    """Length of the sequence: the batch is 1 and the features are last."""
    return int(np.prod(value.shape[:-1]))


Kind = type[fp.Gru] | type[fp.GruResetBefore] | type[fp.Lstm]


def passes(
    builder: GraphBuilder, site: Site, value: Value, gates: Sequence[Gates], kind: Kind, backwards: Sequence[bool]
) -> list[Pass]:
    """A layer's directions over the sequence `value`, each with its own `gates`, forwards or `backwards`: the sequence reversed, and
    the states again. The first is the site's output, further ones are called after it."""
    steps = steps_of(value)
    axis = value.shape.index(steps)
    found = []
    for number, (own, back) in enumerate(zip(gates, backwards, strict=True)):
        output = f"{site.output}.{number}" if number else site.output
        source = flipped(builder, site, value, [axis]) if back else value
        states = _layer(builder, site, source, own, kind, output)
        last = sliced(builder, site, states, axis, steps - 1, 1)
        found.append(Pass(flipped(builder, site, states, [axis]) if back else states, last))
    return found


def side_by_side(builder: GraphBuilder, site: Site, values: list[Value], axis: int, output: str) -> Value:
    """The values along `axis`; the only one itself."""
    return values[0] if len(values) == 1 else concatenated(builder, replace(site, output=output), values, axis)


def _layer(builder: GraphBuilder, site: Site, value: Value, gates: Gates, kind: Kind, output: str) -> Value:
    """The states after every step, as the graph tensor `output`: the shape of `value` with units for its features."""
    steps, inputs = steps_of(value), value.shape[-1]
    source = builder.laid_out(value, (1, steps, inputs), (0, 1, 2), site)
    units = gates.hidden_weight.shape[1]
    arrays: Any = [
        to_float32(w, site.name) for w in (gates.input_weight, gates.input_bias, gates.hidden_weight, gates.hidden_bias)
    ]
    for state, limit in zip(gates.states, LIMITS):
        if np.abs(state).max() > limit:
            raise site.refuse("an initial state of", f"{np.abs(state).max():.6g}", f"-{limit} to {limit}")
    states = [to_float32(state.reshape(units), site.name) if state.any() else None for state in gates.states]
    result = builder.fresh(output, (*value.shape[:-1], units), (1, steps, units), (0, 1, 2))
    builder.append(site.name, kind(steps, *arrays, *states), (source.tensor,), output, site.line)
    return result
