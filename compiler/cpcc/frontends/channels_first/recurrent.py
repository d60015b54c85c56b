"""GRU and LSTM: one node per layer, from a state of zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cpcc.batch_norm import to_float32
from cpcc.frontends.channels_first.builder import GraphBuilder, Value
from cpcc.frontends.channels_first.site import Site
from cpcc.ops import float_params as fp


@dataclass(frozen=True, eq=False)
class Gates:
    """Weights (gates * units, inputs) and (gates * units, units) and biases (gates * units,), in torch's order of gates."""

    input_weight: np.ndarray
    input_bias: np.ndarray
    hidden_weight: np.ndarray
    hidden_bias: np.ndarray


def steps_of(value: Value) -> int:
    """Length of the sequence: the batch is 1 and the features are last."""
    return int(np.prod(value.shape[:-1]))


def layer(
    builder: GraphBuilder, site: Site, value: Value, gates: Gates, kind: type[fp.Gru] | type[fp.Lstm], output: str
) -> Value:
    """The states after every step, as the graph tensor `output`: the shape of `value` with units for its features."""
    steps, inputs = steps_of(value), value.shape[-1]
    source = builder.laid_out(value, (1, steps, inputs), (0, 1, 2), site)
    units = gates.hidden_weight.shape[1]
    arrays: Any = [
        to_float32(w, site.name) for w in (gates.input_weight, gates.input_bias, gates.hidden_weight, gates.hidden_bias)
    ]
    result = builder.fresh(output, (*value.shape[:-1], units), (1, steps, units), (0, 1, 2))
    builder.append(site.name, kind(steps, *arrays), (source.tensor,), output, site.line)
    return result
