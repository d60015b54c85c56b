"""Model file to build folder: front end, quantizer, planner, emitter, then one compilation to measure the fit.

torch is imported where a PyTorch model is opened; ``.tflite`` and ``.onnx`` models build without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cpcc import artifacts, calibration
from cpcc.build_report import BuildReport, report_of
from cpcc.calibration import Labelled
from cpcc.data import Dataset, Scaling, sample_hashes
from cpcc.dead_channels import drop_dead_channels, kept_channels
from cpcc.detector import Decision, Detector, Network, check_names, deciding_output, to_channels_last
from cpcc.errors import DataError, UsageError
from cpcc.fit import Fitted, Wish, fit, library_of, stack_of
from cpcc.folder import Manifest, check_output, sha256, write_folder
from cpcc.graph import Float32, validate
from cpcc.guarantee import Budget
from cpcc.narrowing import Made, made_to_fit
from cpcc.plan.kernels import Policy, any_kernel
from cpcc.plan.objective import Objective, limits_of
from cpcc.plan.plan import Plan
from cpcc.project import emit_project
from cpcc.promise import Promise
from cpcc.quantize import QuantizerSettings, Samples, quantize, quantize_network
from cpcc.records import by_name, each, joined
from cpcc.single_pixel import linear_where_single_pixel
from cpcc.targets import Target

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from cpcc.model_file import Model

MOST_CLASSES = 32  # important ones: an alarm is a bit of a word


@dataclass(frozen=True)
class BuildSettings:
    """Options of `cpcc build`. `positive`, with it further `important` classes, and `threshold` (a probability) override
    the model file's own; `promise` holds the promised rates, None for the default (no more misses than the float model
    on the calibration samples);
    `threshold_table` ships the operating points, `self_test` a check of the constants and known answers at boot.
    `input_dtype` is what raw samples of a quantized model are, None for the file's own choice; a `regression` is built
    without a decision; `output`, a name or number, is which of several outputs decides. `objective` is what the planner makes least,
    under bytes of `flash` and `ram`: None for the target's."""

    target: Target
    name: str
    positive: int | None = None
    threshold: float | None = None
    policy: Policy = any_kernel
    input_dtype: str | None = None
    regression: bool = False
    output: str | None = None
    quantizer: QuantizerSettings = field(default_factory=QuantizerSettings)
    promise: Promise | None = None
    threshold_table: bool = False
    self_test: bool = False
    objective: Objective = Objective.SPEED
    flash: int | None = None
    ram: int | None = None
    important: tuple[int, ...] = ()

    @property
    def wish(self) -> Wish:
        """What the planner is asked for. Raises `UsageError` for a budget beyond the target's."""
        return Wish(self.name, self.target, limits_of(self.target, self.flash, self.ram), self.objective, self.policy)

    def __post_init__(self) -> None:
        if self.promise is not None and self.threshold is not None:
            kind = self.promise.levels[0].kind
            raise UsageError(f"--threshold and --{kind} both choose the threshold; give one of them")
        if self.important and self.positive is None:
            raise UsageError("--important: names further classes beside --positive; give the first one with --positive")
        labels = self.labels
        if len(set(labels)) < len(labels) or len(labels) > MOST_CLASSES:
            raise UsageError(f"important classes {labels}: give each label once, {MOST_CLASSES} labels at most")

    @property
    def labels(self) -> tuple[int, ...]:
        """The important classes that the user named; empty for the model file's own."""
        return () if self.positive is None else (self.positive, *self.important)


@dataclass(frozen=True)
class BuildResult:
    """What a build made, and its report for the user."""

    path: Path
    plan: Plan
    detector: Network
    report: BuildReport
    kept_files: list[str]


def logit(probability: float) -> float:
    """Log-odds of a probability strictly between 0 and 1: the score at which sigmoid or two-class softmax gives it."""
    return math.log(probability / (1 - probability))


def default_name(model: Path) -> str:
    """The build's name from the model file's: `my-net.pt` gives `my-net`."""
    return model.stem


def check_name(name: str) -> str:
    """`name` itself. Raises `UsageError` where it cannot be a folder's and a C prefix's source."""
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}", name):
        raise UsageError(
            f"name {name!r}: use 1 to 64 letters, digits, '-', '_' or '.', beginning with a letter or digit"
        )
    return name


def decision_rules(model: Model, settings: BuildSettings, logits: int) -> tuple[Decision, ...]:
    """The float decisions of the model file, with the user's overrides; their integer thresholds come later."""
    labels = settings.labels or model.meta.important
    if logits == 1 and len(labels) > 1:
        raise UsageError(
            "--important: several important classes need a network with a logit per class; this one has one"
        )
    return tuple(_decision_rule(model, settings, label, logits) for label in labels)


def _decision_rule(model: Model, settings: BuildSettings, positive: int, logits: int) -> Decision:
    meta = model.meta
    threshold = meta.threshold_of(positive) if settings.threshold is None else logit(settings.threshold)
    if logits == 1:
        own = meta.has_meta and positive == meta.positive
        if not own and (meta.has_meta or positive not in (0, 1)):
            known = meta.positive if meta.has_meta else "0 and 1"
            raise UsageError(f"--positive {positive}: the network has one logit, which tells of class {known}")
        return Decision(0, -1 if positive == 0 else 1, 0, threshold, 1.0, positive)
    classes = meta.classes if meta.has_meta and len(meta.classes) == logits else tuple(range(logits))
    if positive not in classes:
        raise UsageError(f"--positive {positive}: the model's classes are {', '.join(map(str, classes))}")
    return Decision(classes.index(positive), 1, 0, threshold, 1.0, positive)


def float_scores(program: ExportedProgram, rules: Sequence[Decision], scaled: np.ndarray) -> np.ndarray:
    """Float scores (n, rules) of scaled samples (n, ...) in the model's layout, each on its rule's scale."""
    from cpcc.float_program import run_program

    logits = run_program(program, scaled, rules[0].output)
    return scores_by_rule(logits, rules)


def scores_by_rule(logits: np.ndarray, rules: Sequence[Decision]) -> np.ndarray:
    """Float scores (n, rules) of float logits (n, k)."""
    from cpcc.metrics import scores_from_logits

    if logits.shape[1] == 1:
        return np.stack([rule.sign * logits[:, 0] for rule in rules], axis=1)
    return np.stack([scores_from_logits(logits, rule.index) for rule in rules], axis=1)


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
    detector = calibration.with_promise(network, threshold, budgets_of(network, settings.promise))
    detector = _with_float_misses(detector, model, threshold)
    return calibration.with_evidence(detector, threshold, settings.threshold_table)


def _with_float_misses(detector: Detector, model: Model, samples: Labelled) -> Detector:
    """`detector` with the float model's misses on `samples` at the promised operating points."""
    scores = float_scores(model.program, detector.decisions, scaled_inputs(model, samples.x))
    return calibration.with_float_misses(detector, scores, samples)


def budgets_of(detector: Detector, promise: Promise) -> tuple[Budget, ...]:
    """A budget for each decision. Raises `UsageError` where the promise leaves a class out or names another."""
    return promise.budgets(tuple(decision.positive for decision in detector.decisions))


def _quantized(model: Model, settings: BuildSettings, given: Labelled) -> Network:
    """The int8 network with its ranges and its equal-FN threshold from the `given` samples."""
    from cpcc.frontends.torch_export import results_of, to_graph

    names = results_of(model.program)
    single = len(names) == 1
    output = None if settings.regression and not single else deciding_output(names, settings.output)
    graph = validate(to_graph(model.program, settings.name, output), Float32)
    raw, labels = given.x, given.y
    samples = scaled_samples(model, raw)
    if settings.regression or output is None:
        return quantize_network(graph, samples, settings.quantizer)[0]
    logits = graph.tensors[graph.outputs[output]].size
    rules = tuple(replace(rule, output=output) for rule in decision_rules(model, settings, logits))
    if settings.promise is not None:  # before an hour of calibration: does it fit the classes?
        settings.promise.budgets(tuple(rule.positive for rule in rules))
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


def input_names(model_path: Path) -> tuple[str, ...]:
    """Names of the model file's inputs: what its samples are called in a data file. Raises `ModelError`."""
    if suffix_of(model_path) == ".tflite":
        from cpcc.tflite_model import inputs_of_file

        return inputs_of_file(model_path)
    if suffix_of(model_path) == ".onnx":
        from cpcc.onnx_model import inputs_of_file as inputs_of_onnx

        return inputs_of_onnx(model_path)
    from cpcc.archive import read_archive
    from cpcc.frontends import ports

    return ports.input_names(read_archive(model_path).user_inputs("model"))


def build(
    model_path: Path, settings: BuildSettings, given: Dataset | None, out: Path, command: str = "",
    threshold_data: Dataset | None = None,
) -> BuildResult:  # fmt: skip
    """Compile `model_path` into the folder `out`; the samples are those of `compile_detector`. Nothing is written
    unless all of it succeeded."""
    check_output(out)
    wish = settings.wish

    def front(quantizer: QuantizerSettings) -> Made:
        network, samples = _front(model_path, replace(settings, quantizer=quantizer), given, threshold_data)
        _check_wishes(network, settings)
        graph, kept = linear_where_single_pixel(drop_dead_channels(network.graph)), kept_channels(network.graph)
        return replace(network, graph=graph, kept=kept), samples

    def fitting(made: Made) -> Fitted:
        network, samples = made
        return fit(
            network.graph, wish, lambda plan: emit_project(plan, network, settings.name, samples, settings.self_test)
        )

    detector, fitted, narrowed = made_to_fit(front, fitting, settings.quantizer)
    plan, project = fitted.plan, fitted.project
    artifacts.host_program(plan, detector, settings.name, library_of(project, settings.name))
    files = {path: text.encode() for path, text in project.items()}
    model_file = f"model{suffix_of(model_path)}"
    provenance = {
        "model_sha256": sha256(model_path.read_bytes()), "model_file": model_file, "command": command, "toolchains": artifacts.versions(plan),
    }  # fmt: skip
    used = [h for data in (given, threshold_data) if data is not None for h in sample_hashes(data.x)]
    state = artifacts.state_files(detector, model_file, model_path.read_bytes(), project["src/main.c"], used)
    hashes, own = ({p: sha256(d) for p, d in group.items()} for group in (files, state))
    manifest = Manifest(
        settings.name,
        settings.target.name,
        hashes,
        provenance,
        state=own,
        kernels=plan.kernels,
        optimize=plan.objective.value,
    )
    report = report_of(plan, detector, fitted.sizes, wish, stack_of(fitted, settings.name), narrowed)
    kept = write_folder(out, {**files, **state}, manifest)
    return BuildResult(out, plan, detector, report, kept)


def _check_wishes(network: Network, settings: BuildSettings) -> None:
    """Raises `UsageError` where something that needs a decision is asked of a network without one."""
    wishes = {"--threshold-table": settings.threshold_table, "--self-test": settings.self_test,
              "--max-fnr and --max-fpr": settings.promise is not None}  # fmt: skip
    for option, asked in wishes.items():
        if asked and not isinstance(network, Detector):
            raise UsageError(f"{option}: the model has no decision; name the important class with --positive")


def _front(
    model_path: Path, settings: BuildSettings, given: Dataset | None, threshold_data: Dataset | None
) -> tuple[Network, np.ndarray]:
    """(the int8 network or detector of the file, raw samples (n, ...) to choose examples from)."""
    suffix = suffix_of(model_path)
    if suffix == ".onnx":
        from cpcc.onnx_model import compile_onnx

        return compile_onnx(model_path, settings, given, threshold_data)
    if suffix == ".tflite":
        from cpcc.tflite_model import compile_tflite

        refuse_quantizer(model_path, settings)
        network, samples = compile_tflite(model_path, settings, given)
        return with_wishes(network, settings, given, threshold_data), samples
    from cpcc.model_file import load_model

    refuse_input_dtype(model_path, settings)
    if settings.regression and {settings.positive, settings.threshold, settings.output} != {None}:
        raise UsageError("--regression: has no decision; leave --positive, --threshold and --decides out")
    model = load_model(model_path)
    detector = compile_model(model, settings, given, threshold_data)
    return detector, calibration_samples(model, given).x


def refuse_quantizer(path: Path, settings: BuildSettings) -> None:
    """Raises `UsageError` where options of the quantizer are given for a model that is quantized already."""
    if settings.quantizer != QuantizerSettings():
        raise UsageError(
            f"--calibration, --equalize, --correct-bias, --int16: {path} is quantized already; leave them out"
        )


def refuse_input_dtype(path: Path, settings: BuildSettings) -> None:
    """Raises `UsageError` where ``--input`` is given for a float model."""
    if settings.input_dtype is not None:
        raise UsageError(f"--input: is for models that are quantized already; {path} takes what it was trained with")


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


def suffix_of(path: Path) -> str:
    """``.tflite``, ``.onnx``, or ``.pt`` for everything else: what a model file's name says that it is."""
    suffix = path.suffix.lower()
    return suffix if suffix in (".tflite", ".onnx") else ".pt"


__all__ = ["BuildResult", "BuildSettings", "build", "check_name", "compile_model", "default_name"]
