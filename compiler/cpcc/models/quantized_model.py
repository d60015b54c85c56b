"""What a model that is quantized already becomes: its inputs, and with ``--positive`` its decision. No float network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cpcc.build_settings import BuildSettings
from cpcc.data import Dataset
from cpcc.detector import Decision, Detector, InputSpec, Network, logits_of, scores_of
from cpcc.errors import DataError, UsageError
from cpcc.graph import Float32, Graph, Int8, Integer, Tensor
from cpcc.models.rules import budgets_of
from cpcc.proof import calibration
from cpcc.proof.calibration import Labelled
from cpcc.quantize import integer_outputs
from cpcc.records import joined

INPUT_DTYPES = ("int8", "int16", "float32", "uint8")
EXAMPLES = 2  # drawn where the user gives no samples


def input_specs(graph: Graph, types: Sequence[str]) -> tuple[InputSpec, ...]:
    """How raw samples become the graph's inputs, of which `types` are the raw samples' dtypes."""
    return tuple(input_spec(graph.tensors[name], dtype) for name, dtype in zip(graph.inputs, types, strict=True))


def input_spec(tensor: Tensor, dtype: str, shape: tuple[int, ...] | None = None) -> InputSpec:
    """How raw samples of `dtype` become the input `tensor`: its own integers are the tensor itself, float32 are real values, uint8
    is an int8 tensor plus 128 (the uint8 interface of TensorFlow Lite's converter). `shape` is that of a file which is channels
    first; None: the tensor's own. Raises `UsageError` for other integers."""
    kind = tensor.integer
    own = np.dtype(kind.dtype).name
    meanings = {own: (kind.zero_point, 1.0), "float32": (0.0, 1.0 / kind.scale)}
    if isinstance(kind, Int8):
        meanings["uint8"] = (kind.zero_point + 128, 1.0)
    if dtype not in meanings:
        raise UsageError(f"--input {dtype}: the input {tensor.name} is {own}; give one of {', '.join(meanings)}")
    mean, factor = meanings[dtype]
    entries = 1 if shape is None else shape[0]
    means, factors = (np.full(entries, value, np.float32) for value in (mean, factor))
    return InputSpec(dtype, shape or tensor.shape, means, factors, channels_last=shape is None)


def drawn_samples(network: Network) -> np.ndarray:
    """Raw samples over the inputs' whole range, from a fixed seed: the example firmware checks itself on them."""
    graph = network.graph
    return joined({n: _drawn(graph.tensors[n].type, s) for n, s in zip(graph.inputs, network.inputs, strict=True)})


def _drawn(kind: Float32 | Integer, spec: InputSpec) -> np.ndarray:
    assert not isinstance(kind, Float32)
    q = np.random.default_rng(0).integers(kind.low, kind.high + 1, (EXAMPLES, *spec.shape)).astype(kind.dtype)
    if spec.dtype == "float32":
        return kind.dequantize(q).astype(np.float32)
    return q if spec.dtype == q.dtype.name else (q.astype(np.int16) + 128).astype(np.uint8)


def detector_of(
    network: Network, output: int, settings: BuildSettings, samples: Dataset | None, probabilities: bool
) -> Detector:
    """The network with the rule "the class beats every other" on output number `output` for each important one, moved where
    the user says or the labelled samples suggest. `probabilities` says whether the output holds those rather than logits."""
    logits = logits_of(network.graph, output)
    rules = tuple(_rule(logits, output, label) for label in settings.labels)
    if logits.size == 1 and len(rules) > 1:
        raise UsageError("--important: several important classes need an output per class; this model has one output")
    detector = Detector(network.graph, network.inputs, rules)
    if settings.threshold is None and samples is not None and samples.y is not None:
        return _calibrated(detector, samples)
    p = 0.5 if settings.threshold is None else settings.threshold
    return replace(
        detector, decisions=tuple(_at(rule, probability_threshold(logits, rule, p, probabilities)) for rule in rules)
    )


def _rule(logits: Tensor, output: int, positive: int) -> Decision:
    kind, classes = logits.integer, logits.size
    if not 0 <= positive < max(classes, 2):
        raise UsageError(
            f"--positive {positive}: the model tells {max(classes, 2)} classes, 0 to {max(classes, 2) - 1}"
        )
    sign = -1 if (classes, positive) == (1, 0) else 1
    return Decision(0 if classes == 1 else positive, sign, 0, 0.0, kind.scale, positive, output=output)


def _at(rule: Decision, threshold: int) -> Decision:
    return replace(rule, threshold=threshold, float_threshold=threshold * rule.step)


def probability_threshold(logits: Tensor, rule: Decision, p: float, probabilities: bool) -> int:
    """The lowest integer score at which the positive class has the probability `p`. Raises `UsageError` where the score,
    the distance to the strongest other class, does not tell that."""
    classes, kind = logits.size, logits.integer
    if classes > 2 and p != 0.5:
        raise UsageError(f"--threshold {p:g}: the model has {classes} classes and the rule is that class {rule.positive} "
                         "beats every other; calibrate it with labelled samples: --calibrate samples.npz")  # fmt: skip
    if not probabilities:
        return _ceil(math.log(p / (1 - p)) / kind.scale)
    if classes == 1:  # of class 1; that of class 0 is what is left
        return _ceil((p if rule.sign > 0 else p - 1) / kind.scale)
    return _ceil((2 * p - 1) / kind.scale)


def _ceil(value: float) -> int:
    """`value` rounded up, but for the error of its computation."""
    return math.ceil(value - 1e-9)


def _calibrated(detector: Detector, samples: Dataset) -> Detector:
    """The thresholds at which 5 * FNR + FPR on the labelled samples is least, as `cpcc prune` chooses its own."""
    from cpcc.metrics import choose_threshold

    scores = scores_of(detector, integer_outputs(detector, samples.x))
    decisions = []
    for rule, own in zip(detector.decisions, scores.T, strict=True):
        positive = samples.labels() == rule.positive
        if not positive.any() or positive.all():
            raise DataError(f"the calibration samples hold one side of class {rule.positive} only; give both")
        decisions.append(_at(rule, math.ceil(choose_threshold(positive, own))))
    return replace(detector, decisions=tuple(decisions))


def with_wishes(
    network: Network, settings: BuildSettings, given: Dataset | None, threshold_data: Dataset | None
) -> Network:
    """A quantized model's detector with the promised threshold and the table. Its ranges come with the file: all samples count."""
    samples = threshold_data if threshold_data is not None else given
    if not isinstance(network, Detector) or (settings.promise is None and not settings.threshold_table):
        return network
    if samples is None:
        raise DataError("a promised rate and a threshold table need labelled samples; give some: --calibrate calib.npz")
    labelled = Labelled(samples.x, samples.labels(), samples.group)
    promise = settings.promise
    detector = calibration.with_promise(network, labelled, budgets_of(network, promise)) if promise else network
    return calibration.with_evidence(detector, labelled, settings.threshold_table)
