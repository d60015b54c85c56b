"""An ``.onnx`` file to the network, or with ``--positive`` the detector, that `cpcc build` compiles. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpcc.build_settings import refuse_input_dtype, refuse_quantizer
from cpcc.data import Scaling
from cpcc.detector import Decision, Detector, Network, check_names, check_raw, deciding_output, to_channels_last
from cpcc.errors import DataError, ModelError, UsageError
from cpcc.frontends.onnx import Imported, to_graph
from cpcc.frontends.onnx.file import read_model
from cpcc.frontends.onnx.model import gives_probabilities, import_model, inputs_of, results_of
from cpcc.graph import Float32, Graph
from cpcc.models.known_labels import check_labels
from cpcc.models.quantized_model import detector_of, drawn_samples, input_spec, with_wishes
from cpcc.models.rules import budgets_of, logit, scores_by_rule
from cpcc.proof import calibration
from cpcc.proof.calibration import Labelled
from cpcc.quant.running import run_outputs
from cpcc.quantize import Samples, quantize, quantize_network
from cpcc.records import by_name, each

if TYPE_CHECKING:
    from cpcc.build_settings import BuildSettings
    from cpcc.data import Dataset
    from cpcc.folder import BuildFolder
    from cpcc.proof.verify import FloatScores

MAX_BYTES = 2**26
NO_SAMPLES = (
    "a float model needs samples to choose scales from; give some: cpcc build … --calibrate calib.npz (x, better y)"
)


def compile_onnx(
    path: Path, settings: BuildSettings, given: Dataset | None, threshold_data: Dataset | None
) -> tuple[Network, np.ndarray]:
    """(network or detector, raw samples (n, ...), or records, to choose examples from)."""
    _check_settings(settings)
    model = read_model(read_file(path), str(path))
    output = None if settings.positive is None else deciding_output(results_of(model), settings.output)
    imported = import_model(model, settings.name, output)
    if imported.quantized:
        refuse_quantizer(path, settings)
        probabilities = output is not None and gives_probabilities(model, output)
        network, raw = _fixed(imported, settings, output, given, probabilities)
        return with_wishes(network, settings, given, threshold_data), raw
    refuse_input_dtype(path, settings)
    if given is None:
        raise DataError(f"{path}: {NO_SAMPLES}")
    everything = Labelled(given.x, given.y, given.group)
    if output is None:
        return quantize_network(imported.graph, samples_of(imported, given.x), settings.quantizer)[0], given.x
    if settings.promise is None:
        detector = _detector(imported, settings, output, everything)
        return calibration.with_evidence(detector, everything, settings.threshold_table), given.x
    quantizer, threshold = calibration.sides(everything, threshold_data)
    calibration.check_unseen(threshold, (), quantizer)
    detector = _detector(imported, settings, output, quantizer)
    detector = calibration.with_promise(detector, threshold, budgets_of(detector, settings.promise))
    scores = float_scores(imported.graph, detector.decisions, threshold.x)
    detector = calibration.with_float_misses(detector, scores, threshold)
    return calibration.with_evidence(detector, threshold, settings.threshold_table), given.x


def _fixed(
    imported: Imported, settings: BuildSettings, output: int | None, given: Dataset | None, probabilities: bool
) -> tuple[Network, np.ndarray]:
    """(network or detector, raw samples) of a model that is quantized already: real values where the user says nothing."""
    graph, dtype = imported.graph, settings.input_dtype or "float32"
    specs = tuple(input_spec(graph.tensors[name], dtype, imported.input_shapes[name]) for name in graph.inputs)
    network = Network(graph, specs)
    if given is not None:
        check_raw(network, given.x)
    raw = drawn_samples(network) if given is None else given.x
    if output is None:
        return network, raw
    return detector_of(network, output, settings, given, probabilities), raw


def _check_settings(settings: BuildSettings) -> None:
    """Raises `UsageError` where options ask for a decision and for none."""
    if settings.regression and settings.positive is not None:
        raise UsageError("--regression: has no decision; leave --positive out")
    for option, wish in (("--threshold", settings.threshold), ("--decides", settings.output)):
        if wish is not None and settings.positive is None:
            raise UsageError(f"{option}: of which class? name it with --positive")


def inputs_of_file(path: Path) -> tuple[str, ...]:
    """Names of a file's inputs. Raises `ModelError`."""
    return inputs_of(read_model(read_file(path), str(path)))


def read_file(path: Path) -> bytes:
    """The model's bytes. Raises `ModelError` where there is no such file or it is too large."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; give an .onnx model")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError(f"{path}: {path.stat().st_size:,} B; supported: up to {MAX_BYTES:,}")
    return path.read_bytes()


def samples_of(imported: Imported, raw: np.ndarray) -> Samples:
    """Raw samples (n, ...), or records, as they are: an ONNX model scales its inputs itself. Raises `DataError` where they
    do not fit."""
    shapes = imported.input_shapes
    check_names(raw, tuple(shapes))
    for (name, part), expected in zip(by_name(raw, list(shapes)).items(), shapes.values()):
        if part.shape[1:] != expected:
            what = "calibration samples have" if len(shapes) == 1 else f"calibration samples of {name} have"
            raise DataError(f"{what} shape {part.shape[1:]}, the model expects {expected}")
    return Samples(raw, each(_real, raw), tuple(Scaling.identity(shape) for shape in shapes.values()))


def _real(x: np.ndarray) -> np.ndarray:
    return to_channels_last(x.astype(np.float64))


def decision_rule(positive: int, threshold: float | None, logits: int) -> Decision:
    """The float decision: class `positive` has at least the probability `threshold`, one half where it is None."""
    classes = max(2, logits)
    if not 0 <= positive < classes:
        raise UsageError(f"--positive {positive}: the model tells {classes} classes, 0 to {classes - 1}")
    at = 0.0 if threshold is None else logit(threshold)
    return Decision(positive if logits > 1 else 0, -1 if (logits, positive) == (1, 0) else 1, 0, at, 1.0, positive)


def float_scores(graph: Graph, rules: Sequence[Decision], x: np.ndarray) -> np.ndarray:
    """Scores (n, rules) of the float graph on raw samples (n, ...), or records, by the ops' own float semantics."""
    return scores_by_rule(run_outputs(graph, Float32, each(_real, x))[graph.outputs[rules[0].output]], rules)


def _detector(imported: Imported, settings: BuildSettings, output: int, given: Labelled) -> Detector:
    graph, samples = imported.graph, samples_of(imported, given.x)
    logits = graph.tensors[graph.outputs[output]].size
    if logits == 1 and len(settings.labels) > 1:
        raise UsageError("--important: several important classes need an output per class; this model has one output")
    rules = tuple(replace(decision_rule(label, settings.threshold, logits), output=output) for label in settings.labels)
    check_labels(given.y, logits, None)
    return quantize(graph, samples, rules, float_scores(graph, rules, given.x), given.y, settings.quantizer)


def float_graph_of(build: BuildFolder) -> Graph | None:
    """The float network of a build folder; None where its model file is quantized already."""
    logits = build.detector.decisions[0].output if isinstance(build.detector, Detector) else None
    imported = to_graph(read_file(build.model_path), build.manifest.name, logits)
    return None if imported.quantized else imported.graph


def float_scores_of(build: BuildFolder, x: np.ndarray) -> tuple[FloatScores, ...] | None:
    """Per decision the scores (n,) of the float network on raw samples `x`; None where there is none."""
    from cpcc.proof.verify import FloatScores

    assert isinstance(build.detector, Detector)
    graph, decisions = float_graph_of(build), build.detector.decisions
    if graph is None:
        return None
    scores = float_scores(graph, decisions, x).T
    return tuple(FloatScores(own, d.float_threshold, None, 0.0) for d, own in zip(decisions, scores, strict=True))
