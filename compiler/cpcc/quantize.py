"""Float graph and calibration samples to an int8 graph, and the integer decision threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from cpcc.detector import Decision, Detector, InputSpec, integer_scores, output_type, quantize_input
from cpcc.errors import ModelError
from cpcc.graph import Float32, Graph, Int8, Node, Tensor, validate
from cpcc.ops import op_of
from cpcc.quant.common_types import with_common_types

BATCH = 64
Ranges = dict[str, tuple[float, float]]


def affine_int8(low: float, high: float) -> Int8:
    """The int8 type covering [low, high] and 0 exactly. An empty range gets scale 1/128."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-12:
        return Int8(1 / 128, 0)
    scale = (high - low) / 255
    return Int8(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def batches(x: np.ndarray, size: int = BATCH) -> Iterator[np.ndarray]:
    return (x[i : i + size] for i in range(0, len(x), size))


def run_nodes(graph: Graph, kind: type[Float32] | type[Int8], x: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor (n, *shape) for inputs `x` (n, *input shape), by name."""
    values = {graph.input.name: x}
    for node in graph.nodes:
        op = op_of(node, kind)
        run: Callable[..., np.ndarray] = op.run_float if kind is Float32 else op.run_int8
        values[node.output] = run(node.params, *(values[name] for name in node.inputs))
    return values


def calibrate(graph: Graph, x: np.ndarray) -> Ranges:
    """Smallest and largest value of every tensor over the channels-last float samples `x` (n, ...)."""
    ranges: Ranges = {}
    for batch in batches(x):
        for name, value in run_nodes(graph, Float32, batch).items():
            low, high = ranges.get(name, (math.inf, -math.inf))
            ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
    return ranges


def quantize_graph(graph: Graph, ranges: Ranges) -> Graph:
    """`graph` in int8. Types follow the ranges, except where an op keeps its input's type."""
    graph, ranges = with_common_types(graph, ranges)
    types = {name: affine_int8(*ranges[name]) for name in graph.inputs}
    nodes = []
    for node in graph.nodes:
        quantized, types[node.output] = _quantize_node(node, types, ranges)
        nodes.append(quantized)
    tensors = {name: Tensor(name, t.shape, types[name]) for name, t in graph.tensors.items()}
    return validate(replace(graph, tensors=tensors, nodes=tuple(nodes)), Int8)


def _quantize_node(node: Node, types: dict[str, Int8], ranges: Ranges) -> tuple[Node, Int8]:
    op = op_of(node, Float32)
    inputs = tuple(types[name] for name in node.inputs)
    output = op.output_type(node.params, inputs) or affine_int8(*ranges[node.output])
    try:
        return replace(node, params=op.quantize(node.params, inputs, output)), output
    except OverflowError as error:
        raise ModelError(
            f"{node.name}: {error}; use fewer inputs per output, or calibration data that cover its range"
        ) from error


def run_int8(graph: Graph, q: np.ndarray) -> np.ndarray:
    """int8 outputs (n, *shape) of channels-last int8 inputs (n, ...)."""
    return np.concatenate([run_nodes(graph, Int8, batch)[graph.output.name] for batch in batches(q)])


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
    step = output_type(graph).scale
    threshold = image_of_threshold(rule.float_threshold, step, graph.output.size)
    float_fn = int((float_scores[positive] < rule.float_threshold).sum())
    while (scores[positive] < threshold).sum() > float_fn:
        threshold -= 1
    return replace(
        rule, threshold=threshold, step=step, calibration_positives=int(positive.sum()),
        calibration_fn=int((scores[positive] < threshold).sum()), float_calibration_fn=float_fn,
    )  # fmt: skip


def quantize(
    graph: Graph,
    raw: np.ndarray,
    scaled: np.ndarray,
    std: np.ndarray,
    mean: np.ndarray,
    rule: Decision,
    float_scores: np.ndarray,
    positive: np.ndarray,
) -> Detector:
    """The int8 detector.

    raw (n, ...) calibration samples in the model's layout and dtype; scaled (n, ...) the same, scaled, float,
    channels-last; mean and std (features or channels,); float_scores (n,) of the float model; positive (n,) bool,
    all False where the labels are unknown."""
    ranges = calibrate(graph, scaled)
    int8 = quantize_graph(graph, ranges)
    kind = int8.input.type
    assert isinstance(kind, Int8)
    factor = (1.0 / (std.astype(np.float64) * kind.scale)).astype(np.float32)
    spec = InputSpec(raw.dtype.name, raw.shape[1:], mean.astype(np.float32), factor)
    outputs = run_int8(int8, quantize_input(spec, kind, raw))
    scores = integer_scores(rule, output_type(int8), outputs)
    return Detector(int8, spec, integer_decision(int8, rule, scores, float_scores, positive), ranges)
