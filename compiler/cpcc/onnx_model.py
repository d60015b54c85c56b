"""An ``.onnx`` file to the network, or with ``--positive`` the detector, that `cpcc build` compiles. Needs no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpcc import calibration
from cpcc.build import logit
from cpcc.calibration import Labelled
from cpcc.detector import Decision, Detector, Network, output_type, to_channels_last
from cpcc.errors import DataError, ModelError, UsageError
from cpcc.frontends.onnx import Imported, to_graph
from cpcc.graph import Float32, Graph
from cpcc.quantize import Samples, batches, quantize, quantize_network, run_nodes

if TYPE_CHECKING:
    from cpcc.build import BuildSettings
    from cpcc.data import Dataset
    from cpcc.folder import BuildFolder
    from cpcc.verify import FloatScores

MAX_BYTES = 2**26
NO_SAMPLES = (
    "a float model needs samples to choose scales from; give some: cpcc build … --calibrate calib.npz (x, better y)"
)


def compile_onnx(
    path: Path, settings: BuildSettings, given: Dataset | None, threshold_data: Dataset | None
) -> tuple[Network, np.ndarray]:
    """(network or detector, raw samples (n, ...) to choose examples from)."""
    if settings.regression and settings.positive is not None:
        raise UsageError("--regression: has no decision; leave --positive out")
    if settings.positive is None and settings.threshold is not None:
        raise UsageError("--threshold: of which class? name it with --positive")
    imported = to_graph(read_file(path), settings.name, drop_final=settings.positive is not None)
    if given is None:
        raise DataError(f"{path}: {NO_SAMPLES}")
    everything = Labelled(given.x, given.y)
    if settings.positive is None:
        return quantize_network(imported.graph, samples_of(imported, given.x), settings.quantizer)[0], given.x
    if settings.budget is None:
        detector = _detector(imported, settings, everything)
        return calibration.with_evidence(detector, everything, settings.threshold_table), given.x
    quantizer, threshold = calibration.sides(everything, threshold_data)
    calibration.check_unseen(threshold, (), quantizer)
    detector = calibration.with_promise(_detector(imported, settings, quantizer), threshold, settings.budget)
    detector = _with_float_misses(detector, imported, threshold)
    return calibration.with_evidence(detector, threshold, settings.threshold_table), given.x


def read_file(path: Path) -> bytes:
    """The model's bytes. Raises `ModelError` where there is no such file or it is too large."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give an .onnx model")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path}: {path.stat().st_size:,} B; supported: up to {MAX_BYTES:,}")
    return path.read_bytes()


def samples_of(imported: Imported, raw: np.ndarray) -> Samples:
    """Raw samples (n, ...) as they are: an ONNX model scales its input itself. Raises `DataError` where they do not fit."""
    expected = imported.input_shapes[0]
    if raw.shape[1:] != expected:
        raise DataError(f"calibration samples have shape {raw.shape[1:]}, the model expects {expected}")
    channels = expected[0]
    scaled = to_channels_last(raw.astype(np.float64))
    return Samples(raw, scaled, np.zeros(channels, np.float32), np.ones(channels, np.float32))


def decision_rule(positive: int, threshold: float | None, logits: int) -> Decision:
    """The float decision: class `positive` has at least the probability `threshold`, one half where it is None."""
    classes = max(2, logits)
    if not 0 <= positive < classes:
        raise UsageError(f"--positive {positive}: the model tells {classes} classes, 0 to {classes - 1}")
    at = 0.0 if threshold is None else logit(threshold)
    return Decision(positive if logits > 1 else 0, -1 if (logits, positive) == (1, 0) else 1, 0, at, 1.0, positive)


def float_scores(graph: Graph, rule: Decision, x: np.ndarray) -> np.ndarray:
    """(n,) scores of the float graph on raw samples (n, ...), computed by the ops' own float semantics."""
    from cpcc.metrics import scores_from_logits

    parts = [run_nodes(graph, Float32, to_channels_last(b.astype(np.float64)))[graph.output.name] for b in batches(x)]
    logits = np.concatenate(parts)
    return rule.sign * logits[:, 0] if logits.shape[1] == 1 else scores_from_logits(logits, rule.index)


def _detector(imported: Imported, settings: BuildSettings, given: Labelled) -> Detector:
    assert settings.positive is not None
    graph = imported.graph
    samples = samples_of(imported, given.x)
    rule = decision_rule(settings.positive, settings.threshold, graph.output.size)
    positive = np.zeros(len(given.x), bool) if given.y is None else given.y == rule.positive
    detector = quantize(graph, samples, rule, float_scores(graph, rule, given.x), positive, settings.quantizer)
    output_type(detector.graph)
    return detector


def _with_float_misses(detector: Detector, imported: Imported, samples: Labelled) -> Detector:
    """`detector` with the float model's misses on `samples` at the promised operating point."""
    decision = detector.decision
    scores = float_scores(imported.graph, decision, samples.x[samples.y == decision.positive])
    missed = int((scores < decision.float_threshold).sum())
    return replace(detector, decision=replace(decision, float_calibration_fn=missed))


def float_graph_of(build: BuildFolder) -> Graph | None:
    """The float network of a build folder; None where its model file is quantized already."""
    detector = isinstance(build.detector, Detector)
    imported = to_graph(read_file(build.model_path), build.manifest.name, drop_final=detector)
    return None if imported.quantized else imported.graph


def float_scores_of(build: BuildFolder, x: np.ndarray) -> FloatScores | None:
    """Scores (n,) of the float network on raw samples `x`; None where there is none."""
    from cpcc.verify import FloatScores

    assert isinstance(build.detector, Detector)
    graph, decision = float_graph_of(build), build.detector.decision
    if graph is None:
        return None
    return FloatScores(float_scores(graph, decision, x), decision.float_threshold, None, 0.0)
