"""ONNX's own node test vectors against the float graph; `cpcc.operators` writes the list.

Source: `onnx.backend.test.case.node`, in the onnx package. A vector feeds every operand as an input of the model; those that
cpcc wants constant (weights, shapes, indices) become constants here.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from cpcc.errors import ModelError
from cpcc.frontends.onnx.file import input_infos, read_model
from cpcc.frontends.onnx.model import HANDLERS, import_model
from cpcc.graph import Float32, Graph, Int8
from cpcc.ops import op_of

COMPUTED = {"Add": 2, "Sub": 2, "Mul": 2, "Div": 1, "Concat": 99, "Sum": 99}  # operands that stay inputs; of others one
PASSED, FAILED, REFUSED = "passed", "failed", "out of scope"


@dataclass(frozen=True)
class Outcome:
    """One vector: `state` is PASSED, FAILED or REFUSED, `why` the first words of the reason."""

    name: str
    operator: str
    state: str
    why: str = ""


@cache
def cases() -> tuple[Any, ...]:
    """The vectors of single nodes of operators that cpcc reads."""
    return tuple(case for case in _collected() if _single(case) in HANDLERS)


def others() -> int:
    """How many vectors are of operators that cpcc does not read, or of several nodes."""
    return len(_collected()) - len(cases())


@cache
def _collected() -> tuple[Any, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of overflows that some vectors are about
        from onnx.backend.test.case.node import collect_testcases

        return tuple(collect_testcases(None))


def _single(case: Any) -> str:
    nodes = [] if case.model is None else case.model.graph.node
    return nodes[0].op_type if len(nodes) == 1 and nodes[0].domain == "" else ""


def run_case(case: Any) -> Outcome:
    """The vector `case` through the importer and the float graph, within the tolerances that it carries."""
    operator = _single(case)
    try:
        inputs, outputs = ([_array(value) for value in side] for side in case.data_sets[0])
        model, feeds = _with_constants(case.model, inputs, COMPUTED.get(operator, 1))
        imported = import_model(read_model(model.SerializeToString(), case.name), case.name, batch=False)
    except ModelError as error:
        return Outcome(case.name, operator, REFUSED, _reason(str(error)))
    results = (_run_integers if imported.quantized else run_float)(imported.graph, feeds)
    for result, expected in zip(results, outputs):
        if expected.dtype == np.uint8:  # cpcc's int8 is such a tensor less 128
            result = result + 128
        if not np.allclose(result.reshape(expected.shape), expected, case.rtol, case.atol):
            worst = float(np.abs(result.reshape(expected.shape) - expected).max())
            return Outcome(case.name, operator, FAILED, f"off by {worst:.3g}")
    return Outcome(case.name, operator, PASSED)


def _array(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, np.generic) else value


def _with_constants(model: onnx.ModelProto, inputs: Sequence[Any], computed: int) -> tuple[onnx.ModelProto, list[Any]]:
    """(the model whose first `computed` inputs stay, their values); further ones become constants."""
    changed = copy.deepcopy(model)
    infos = input_infos(changed)
    if any(not isinstance(value, np.ndarray) for value in inputs):
        raise ModelError(f"{model.graph.name}: an input that is no tensor; supported: float32")
    for info, value in list(zip(infos, inputs))[computed:]:
        changed.graph.initializer.append(numpy_helper.from_array(value, info.name))
        changed.graph.input.remove(info)
    return changed, list(inputs[:computed])


def run_float(graph: Graph, feeds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs (n,) of a float graph for unbatched inputs in the source's layout."""
    values: dict[str, np.ndarray] = {}
    for name, feed in zip(graph.inputs, feeds):
        shape = graph.tensors[name].shape
        channels_last = np.moveaxis(feed.reshape(shape[2], *shape[:2]), 0, 2) if len(shape) == 3 else feed
        values[name] = channels_last.reshape(1, *shape).astype(np.float64)
    for node in graph.nodes:
        values[node.output] = op_of(node, Float32).run_float(node.params, *(values[name] for name in node.inputs))
    return [values[name][0] for name in graph.outputs]


def _run_integers(graph: Graph, feeds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs (n,) of an int8 graph, in int64, for real inputs that become vectors."""
    values = {}
    for name, feed in zip(graph.inputs, feeds):
        tensor = graph.tensors[name]
        values[name] = tensor.integer.quantize(feed.reshape(1, *tensor.shape))
    for node in graph.nodes:
        values[node.output] = op_of(node, Int8).run_int8(node.params, *(values[name] for name in node.inputs))
    return [values[name][0].astype(np.int64) for name in graph.outputs]


def _reason(message: str) -> str:
    """The limit that a message names, without the place, in a few words."""
    text = message.partition("): ")[2] or message.partition(": ")[2] or message
    text = text.partition("; supported")[0].partition("; export")[0].partition(" is not supported")[0]
    if re.match("input .* is |tensor .* is |an input that is no tensor", text):
        return "another type than float32"
    if re.match("input .* has the shape", text):
        return "an empty tensor"
    words = re.sub(r"\(.*|\[.*|,.*", "", text).split()
    return " ".join(word for word in words if not re.fullmatch(r"-?[\d.]+", word)) or "not supported"


@cache
def outcomes() -> tuple[Outcome, ...]:
    """Of every vector in `cases`."""
    return tuple(run_case(case) for case in cases())


def rows() -> list[tuple[str, str, str, str]]:
    """(operator, passed, failed, out of scope with the reasons), one row per operator."""
    by_operator: dict[str, list[Outcome]] = {}
    for outcome in outcomes():
        by_operator.setdefault(outcome.operator, []).append(outcome)
    table = []
    for operator, found in sorted(by_operator.items()):
        states = Counter(outcome.state for outcome in found)
        why = Counter(outcome.why for outcome in found if outcome.state == REFUSED)
        reasons = ", ".join(f"{reason} ({n})" for reason, n in sorted(why.items()))
        scope = f"{states[REFUSED]}: {reasons}" if why else "0"
        table.append((operator, str(states[PASSED]), str(states[FAILED]), scope))
    return table
