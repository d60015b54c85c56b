"""Model file to build folder: front end, quantizer, planner, emitter, then one compilation to measure the fit.

torch is imported where a PyTorch model is opened; ``.tflite`` and ``.onnx`` models build without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cpcc import artifacts
from cpcc.build_report import BuildReport, report_of
from cpcc.build_settings import BuildSettings, refuse_quantizer, suffix_of
from cpcc.data import Dataset, sample_hashes
from cpcc.detector import Detector, Network
from cpcc.errors import UsageError
from cpcc.fit import Fitted, fit, library_of, stack_of
from cpcc.folder import Manifest, check_output, sha256, write_folder
from cpcc.narrowing import Made, made_to_fit
from cpcc.passes.dead_channels import drop_dead_channels, kept_channels
from cpcc.passes.single_pixel import linear_where_single_pixel
from cpcc.plan.plan import Plan
from cpcc.project import emit_project
from cpcc.quantize import QuantizerSettings


@dataclass(frozen=True)
class BuildResult:
    """What a build made, and its report for the user."""

    path: Path
    plan: Plan
    detector: Network
    report: BuildReport
    kept_files: list[str]


def input_names(model_path: Path) -> tuple[str, ...]:
    """Names of the model file's inputs: what its samples are called in a data file. Raises `ModelError`."""
    if suffix_of(model_path) == ".tflite":
        from cpcc.models.tflite_model import inputs_of_file

        return inputs_of_file(model_path)
    if suffix_of(model_path) == ".onnx":
        from cpcc.models.onnx_model import inputs_of_file as inputs_of_onnx

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
        kernels=dict(plan.kernels),
        stripes=[[stripe.first, stripe.last, stripe.rows] for stripe in plan.stripes],
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
        from cpcc.models.onnx_model import compile_onnx

        return compile_onnx(model_path, settings, given, threshold_data)
    if suffix == ".tflite":
        from cpcc.models.quantized_model import with_wishes
        from cpcc.models.tflite_model import compile_tflite

        refuse_quantizer(model_path, settings)
        network, samples = compile_tflite(model_path, settings, given)
        return with_wishes(network, settings, given, threshold_data), samples
    from cpcc.models.torch_model import compile_torch

    return compile_torch(model_path, settings, given, threshold_data)
