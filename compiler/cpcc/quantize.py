"""Float graph and calibration samples to an int8 graph, and the integer decision threshold."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np

from cpcc.data import Scaling
from cpcc.detector import Decision, Detector, InputSpec, Network, integer_scores, logits_of, quantize_inputs
from cpcc.errors import ModelError
from cpcc.graph import Float32, Graph, Int8, Integer, Node, Tensor, validate
from cpcc.ops import form_of, op_of
from cpcc.quant.bias_correction import corrected
from cpcc.quant.calibration import calibrate
from cpcc.quant.common_types import with_common_types
from cpcc.quant.equalization import equalized
from cpcc.quant.int16_choice import AUTO, Attempt, chosen
from cpcc.quant.noise import layer_noise
from cpcc.quant.running import Ranges, batches, run_nodes, run_outputs
from cpcc.quant.shared_weights import with_shared_ranges
from cpcc.quant.types import affine_int8, symmetric_int16
from cpcc.quant.widths import ALL_INT8, wide_tensors, with_conversions
from cpcc.records import by_name


@dataclass(frozen=True)
class QuantizerSettings:
    """Options of the quantizer. `calibration` is a name of `quant.calibration.METHODS`; `equalize` balances channels
    between layers; `correct_bias` takes the mean rounding error out of the biases; `int16` says which layers have int16
    activations: "never", "auto", "all", or their names with commas (quant/int16_choice.py)."""

    calibration: str = "minmax"
    equalize: bool = False
    correct_bias: bool = False
    int16: str = AUTO


def quantize_graph(graph: Graph, ranges: Ranges, wide: frozenset[str] = ALL_INT8) -> Graph:
    """`graph` in integers: int8, but for the tensors in `wide`, which are int16. Types follow the ranges, except where an
    op keeps its input's type."""
    return _with_types(*prepared(graph, ranges, wide))


def quantized(
    graph: Graph, ranges: Ranges, x: np.ndarray, settings: QuantizerSettings, wide: frozenset[str] = ALL_INT8
) -> Graph:
    """`quantize_graph` with the options of the quantizer; `x` (n, ...) are float samples for the correction of biases."""
    graph, ranges, wide = prepared(graph, ranges, wide)
    if settings.correct_bias:
        graph = corrected(graph, tensor_types(graph, ranges, wide), x)
    return _with_types(graph, ranges, wide)


def prepared(graph: Graph, ranges: Ranges, wide: frozenset[str]) -> tuple[Graph, Ranges, frozenset[str]]:
    """`graph`, `ranges` and `wide` with the nodes that change types alone, where types must agree, or may so that weights are stored once."""
    return with_conversions(*with_common_types(graph, with_shared_ranges(graph, ranges, wide), wide))


def tensor_types(graph: Graph, ranges: Ranges, wide: frozenset[str] = ALL_INT8) -> dict[str, Integer]:
    """The integer type of every tensor of a prepared graph."""

    def own(name: str) -> Integer:
        return symmetric_int16(*ranges[name]) if name in wide else affine_int8(*ranges[name])

    types = {name: own(name) for name in graph.inputs}
    for node in graph.nodes:
        op = op_of(node, Float32)
        form = op.int16 if node.output in wide and op.int16 is not None else op
        forced = form.output_type(node.params, tuple(types[name] for name in node.inputs))
        types[node.output] = forced or own(node.output)
    return types


def _with_types(graph: Graph, ranges: Ranges, wide: frozenset[str]) -> Graph:
    return with_types(graph, tensor_types(graph, ranges, wide))


def with_types(graph: Graph, types: dict[str, Integer]) -> Graph:
    """`graph` in integers, its tensors of these `types`. Raises `ModelError` where a constant does not fit."""
    nodes = tuple(_quantize_node(node, types) for node in graph.nodes)
    tensors = {name: Tensor(name, t.shape, types[name]) for name, t in graph.tensors.items()}
    return validate(replace(graph, tensors=tensors, nodes=nodes), Int8)


def _quantize_node(node: Node, types: dict[str, Integer]) -> Node:
    op = form_of(node, types[node.output])
    inputs = tuple(types[name] for name in node.inputs)
    try:
        return replace(node, params=op.quantize(node.params, inputs, types[node.output]))
    except OverflowError as error:
        raise ModelError(
            f"{node.name}: {error}; use fewer inputs per output, or calibration data that cover its range"
        ) from error


def run_int8(graph: Graph, q: np.ndarray) -> np.ndarray:
    """The only output (n, *shape) of an integer graph for channels-last integer inputs (n, ...)."""
    return run_outputs(graph, Int8, q)[graph.output.name]


def integer_outputs(network: Network, raw: np.ndarray) -> dict[str, np.ndarray]:
    """Every output (n, *shape) for raw samples (n, ...), by tensor."""
    return run_outputs(network.graph, Int8, quantize_inputs(network, raw))


def image_of_threshold(threshold: float, step: float, logits: int) -> int:
    """The lowest integer score that rounding the logits alone can give a sample whose float score is `threshold`.

    Rounding is monotone, so one logit at the threshold rounds to no less than the rounded threshold; a difference
    of two rounded logits can lose up to one step more."""
    return round(threshold / step) if logits == 1 else math.floor(threshold / step)


def integer_decision(
    graph: Graph, rule: Decision, scores: np.ndarray, float_scores: np.ndarray, positive: np.ndarray
) -> Decision:
    """`rule` with its integer threshold: the float one's image, lowered step by step only while the fixed-point
    model misses more calibration positives than the float model; never raised.

    scores (n,) integer, float_scores (n,), positive (n,) bool, all of the calibration samples."""
    logits = logits_of(graph, rule.output)
    step = logits.integer.scale
    threshold = image_of_threshold(rule.float_threshold, step, logits.size)
    float_fn = int((float_scores[positive] < rule.float_threshold).sum())
    while (scores[positive] < threshold).sum() > float_fn:
        threshold -= 1
    return replace(
        rule, threshold=threshold, step=step, calibration_positives=int(positive.sum()),
        calibration_fn=int((scores[positive] < threshold).sum()), float_calibration_fn=float_fn,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Samples:
    """Calibration samples. `raw` (n, ...) in the model's layout and dtype; `scaled` (n, ...) the same, scaled, float,
    channels-last; `scalings` one for each input. Of several inputs they are records (n,)."""

    raw: np.ndarray
    scaled: np.ndarray
    scalings: tuple[Scaling, ...]


def quantize_network(graph: Graph, samples: Samples, settings: QuantizerSettings) -> tuple[Network, Ranges]:
    """(the int8 network without a decision, the calibrated range of every tensor)."""
    graph, balance = equalized(graph, samples.scaled) if settings.equalize else (graph, {})
    ranges = calibrate(graph, samples.scaled, settings.calibration)

    @functools.cache
    def full() -> Ranges:
        """What is rare is worth clipping among 256 values, not among 65,536."""
        return calibrate(graph, samples.scaled)

    def attempt(layers: tuple[str, ...]) -> Attempt:
        wide = wide_tensors(graph, layers)
        own = ranges | {name: full()[name] for name in wide}
        integer = quantized(graph, own, samples.scaled, settings, wide)
        return integer, layer_noise(graph, integer, samples.scaled)

    (int8, noise), widened = chosen(graph, settings.int16, attempt)
    raw = by_name(samples.raw, int8.inputs)
    specs = tuple(_spec(raw[n], s, int8.tensors[n].integer) for n, s in zip(int8.inputs, samples.scalings, strict=True))
    return Network(int8, specs, noise=noise, int16=widened, balance=balance), ranges


def _spec(raw: np.ndarray, scaling: Scaling, kind: Integer) -> InputSpec:
    """How samples like `raw` (n, ...) become an input of type `kind`."""
    factor = (1.0 / (scaling.std.astype(np.float64) * kind.scale)).astype(np.float32)
    return InputSpec(raw.dtype.name, raw.shape[1:], scaling.mean.astype(np.float32), factor)


def quantize(
    graph: Graph,
    samples: Samples,
    rules: tuple[Decision, ...],
    float_scores: np.ndarray,
    labels: np.ndarray | None,
    settings: QuantizerSettings,
) -> Detector:
    """The int8 detector with one decision per rule. float_scores (n, rules) of the float model; labels (n,), None where
    they are unknown."""
    network, ranges = quantize_network(graph, samples, settings)
    int8 = network.graph
    logits = logits_of(int8, rules[0].output)
    outputs = integer_outputs(network, samples.raw)[logits.name]
    decisions = []
    for rule, floats in zip(rules, float_scores.T, strict=True):
        positive = np.zeros(len(outputs), bool) if labels is None else labels == rule.positive
        scores = integer_scores(rule, logits.integer, outputs)
        decisions.append(integer_decision(int8, rule, scores, floats, positive))
    return Detector(
        int8,
        network.inputs,
        tuple(decisions),
        ranges,
        noise=network.noise,
        int16=network.int16,
        balance=network.balance,
    )


__all__ = [
    "QuantizerSettings",
    "Samples",
    "affine_int8",
    "batches",
    "calibrate",
    "image_of_threshold",
    "integer_decision",
    "integer_outputs",
    "quantize",
    "quantize_graph",
    "quantize_network",
    "quantized",
    "run_int8",
    "run_nodes",
    "tensor_types",
    "with_types",
]
