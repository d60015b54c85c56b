"""A PyTorch model file to the network or detector that is built: its samples, its scaling, its decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpcc.build_settings import BuildSettings, refuse_input_dtype
from cpcc.data import Dataset, Scaling
from cpcc.detector import Decision, Detector, Network, check_names, deciding_output, to_channels_last
from cpcc.errors import DataError, UsageError
from cpcc.frontends.torch_export import results_of, to_graph
from cpcc.graph import Float32, validate
from cpcc.models.float_program import run_program
from cpcc.models.known_labels import check_labels
from cpcc.models.model_file import Model, load_model
from cpcc.models.rules import budgets_of, decision_rules, scores_by_rule
from cpcc.proof import calibration
from cpcc.proof.calibration import Labelled
from cpcc.quantize import Samples, quantize, quantize_network
from cpcc.records import by_name, each, joined

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def compile_torch(
    path: Path, settings: BuildSettings, given: Dataset | None, threshold_data: Dataset | None
) -> tuple[Network, np.ndarray]:
    """(the int8 network or detector of a model file, raw samples (n, ...) to choose examples from)."""
    refuse_input_dtype(path, settings)
    if settings.regression and {settings.positive, settings.threshold, settings.output} != {None}:
        raise UsageError("--regression: has no decision; leave --positive, --threshold and --decides out")
    model = load_model(path)
    return compile_model(model, settings, given, threshold_data), calibration_samples(model, given).x


def compile_model(
    model: Model, settings: BuildSettings, given: Dataset | None, threshold_data: Dataset | None = None
) -> Network:
    """The int8 detector of a model file; for a regression the network without a decision. `given` samples calibrate
    instead of the file's own; `threshold_data` are for the threshold alone, where a rate is promised."""
    everything = calibration_samples(model, given)
    if settings.promise is None or settings.regression:
        network = _quantized(model, settings, everything)
        if not isinstance(network, Detector):
            return network
        return calibration.with_evidence(network, everything, settings.threshold_table)
    quantizer, threshold = calibration.sides(everything, threshold_data)
    calibration.check_unseen(threshold, model.meta.train_hashes, quantizer)
    network = _quantized(model, settings, quantizer)
    assert isinstance(network, Detector)
    check_labels(threshold.y, network.logits.size, model.meta)
    detector = calibration.with_promise(network, threshold, budgets_of(network, settings.promise))
    detector = _with_float_misses(detector, model, threshold)
    return calibration.with_evidence(detector, threshold, settings.threshold_table)


def _with_float_misses(detector: Detector, model: Model, samples: Labelled) -> Detector:
    """`detector` with the float model's misses on `samples` at the promised operating points."""
    scores = float_scores(model.program, detector.decisions, scaled_inputs(model, samples.x))
    return calibration.with_float_misses(detector, scores, samples)


def _quantized(model: Model, settings: BuildSettings, given: Labelled) -> Network:
    """The int8 network with its ranges and its equal-FN threshold from the `given` samples."""
    names = results_of(model.program)
    single = len(names) == 1
    output = None if settings.regression and not single else deciding_output(names, settings.output)
    graph = validate(to_graph(model.program, settings.name, output), Float32)
    raw, labels = given.x, given.y
    samples = scaled_samples(model, raw)
    if settings.regression or output is None:
        return quantize_network(graph, samples, settings.quantizer)[0]
    logits = graph.tensors[graph.outputs[output]].size
    rules = tuple(replace(rule, output=output) for rule in decision_rules(model.meta, settings, logits))
    if settings.promise is not None:  # before an hour of calibration: does it fit the classes?
        settings.promise.budgets(tuple(rule.positive for rule in rules))
    check_labels(labels, logits, model.meta)
    scores = float_scores(model.program, rules, scaled_inputs(model, raw))
    return quantize(graph, samples, rules, scores, labels, settings.quantizer)


def scaled_samples(model: Model, raw: np.ndarray) -> Samples:
    """Calibration samples `raw` (n, ...) with what the model's scaling makes of them. Raises `DataError` where they do not
    fit the model."""
    shapes = model.input_shapes
    check_names(raw, tuple(shapes))
    for (name, part), expected in zip(by_name(raw, list(shapes)).items(), shapes.values()):
        if part.shape[1:] != expected:
            what = "calibration samples have" if len(shapes) == 1 else f"calibration samples of {name} have"
            raise DataError(f"{what} shape {part.shape[1:]}, the model expects {expected}")
    if model.meta.has_meta and raw.dtype.name != model.meta.input_dtype:
        wanted = model.meta.input_dtype
        raise DataError(
            f"calibration samples are {raw.dtype.name}, the model was made for {wanted}; use x.astype('{wanted}')"
        )
    return Samples(raw, each(to_channels_last, scaled_inputs(model, raw)), scalings_of(model))


def float_scores(program: ExportedProgram, rules: Sequence[Decision], scaled: np.ndarray) -> np.ndarray:
    """Float scores (n, rules) of scaled samples (n, ...) in the model's layout, each on its rule's scale."""
    return scores_by_rule(run_program(program, scaled, rules[0].output), rules)


def scalings_of(model: Model) -> tuple[Scaling, ...]:
    """The scaling of each input; identities where the file has none, as of several inputs."""
    if not model.meta.scaling_mean:
        return tuple(Scaling.identity(shape) for shape in model.input_shapes.values())
    mean = np.array(model.meta.scaling_mean, np.float32)
    return (Scaling(mean, np.array(model.meta.scaling_std, np.float32)),)


def scaled_inputs(model: Model, raw: np.ndarray) -> np.ndarray:
    """Raw samples (n, ...), or records, scaled to what the program takes."""
    parts = by_name(raw, list(model.input_shapes))
    return joined({name: s.apply(x) for (name, x), s in zip(parts.items(), scalings_of(model), strict=True)})


def calibration_samples(model: Model, given: Dataset | None) -> Labelled:
    """The user's samples, or else the file's own. Raises `DataError` where neither has any."""
    if given is not None:
        return Labelled(given.x, given.y, given.group)
    if model.calibration is None:
        raise DataError("the model file keeps no calibration samples; give some: cpcc build … --calibrate calib.npz")
    return Labelled(model.calibration, model.calibration_labels, model.calibration_groups)
