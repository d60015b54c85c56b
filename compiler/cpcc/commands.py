"""One function per CLI command: open files, call the library, print the outcome."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress

from cpcc.errors import DataError, ToolMissingError, UsageError, VerificationError
from cpcc.files import write_atomically

if TYPE_CHECKING:  # a command imports what it needs when it runs: `cpcc targets` must not wait for torch
    from cpcc.executors.base import Executor
    from cpcc.folder import BuildFolder
    from cpcc.profile import Profile
    from cpcc.quantize import QuantizerSettings
    from cpcc.verify import FloatScores, Report


def _write_json(path: Path | None, content: dict[str, Any]) -> None:
    if path is not None:
        write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    """A callback taking how much is done; silent where nobody watches."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@dataclass(frozen=True)
class Run:
    """Where and how a pruning run lives: training device, whether to go on with a checkpoint, its folder (None: beside
    the output)."""

    device: str = "cpu"
    resume: bool = False
    folder: Path | None = None


def prune(
    net: str, data: Path, positive: int, keep: float, output: Path | None, quiet: bool, run: Run,
    options: dict[str, Any],
) -> None:  # fmt: skip
    from cpcc import report
    from cpcc.data import load_dataset
    from cpcc.training import important_classes, prune_to_file, settings_from

    dataset = load_dataset(data)
    path = output or Path("build") / f"{_net_stem(net)}.pt"
    more = important_classes(options.pop("important"))
    settings = settings_from(positive=positive, keep=keep, more_classes=more, **options)
    result = prune_to_file(net, dataset, settings, path, progress=not quiet, run=run)
    click.echo(report.pruning_summary(result))
    click.echo(f"wrote {path}; next: cpcc build {path}")


def _net_stem(net: str) -> str:
    return net.rpartition(":")[2] or net


def import_data(
    source: Path, output: Path, important: str | None, size: str, gray: bool, label: str, drop: tuple[str, ...],
    group: str | None,
) -> None:  # fmt: skip
    from cpcc.import_data import import_images, import_table

    if source.suffix.lower() == ".csv":
        arrays = import_table(source, label, important, drop, group)
    else:
        arrays = import_images(source, _size(size), gray, important)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(output, buffer.getvalue())
    rare = f", {int(arrays['y'].sum())} of them {important}" if important else ""
    click.echo(f"wrote {output}: {len(arrays['x'])} samples of shape {arrays['x'].shape[1:]}{rare}")


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise UsageError(f"--size {text}: give HEIGHTxWIDTH, such as 32x32")
    return int(height), int(width)


def build(
    model: Path, target: str, calibrate: Path | None, name: str | None, positive: int | None,
    threshold: float | None, input_dtype: str | None, output: Path | None, quantizer: QuantizerSettings,
    regression: bool,
) -> None:  # fmt: skip
    from cpcc import report
    from cpcc.build import BuildSettings, check_name, default_name
    from cpcc.build import build as run_build
    from cpcc.data import load_dataset
    from cpcc.targets import find_target

    chosen = find_target(target)
    label = check_name(name or default_name(model))
    out = output or Path("build") / label
    samples = load_dataset(calibrate, need_labels=False) if calibrate else None
    settings = BuildSettings(
        chosen, label, positive, threshold, input_dtype=input_dtype, regression=regression, quantizer=quantizer
    )
    result = run_build(model, settings, samples, out)
    click.echo(report.build_summary(result))
    for kept in result.kept_files:
        click.echo(f"kept {out / kept}: you edited it")
    click.echo(f"wrote {out}; next: cpcc verify {out} --data test.npz")


def make_executors(build: BuildFolder, names: tuple[str, ...]) -> list[Executor]:
    """The executors called `names`, the reference always first: everything is compared with it."""
    from cpcc import artifacts
    from cpcc.executors.arm import ArmExecutor
    from cpcc.executors.host import HostExecutor
    from cpcc.executors.qemu import QemuExecutor
    from cpcc.executors.reference import ReferenceExecutor

    name, plan, detector = build.manifest.name, build.plan, build.detector
    executors: list[Executor] = [ReferenceExecutor(plan, detector)]
    library = artifacts.library_on_disk(build)
    if "host" in names:
        executors.append(HostExecutor(plan, artifacts.host_program(plan, detector, name, library)))
    if "arm" in names and plan.target.name != "host":
        if plan.target.core.unicorn_model:
            image = artifacts.arm_image(plan, library, artifacts.pristine_main(build))
            executors.append(ArmExecutor(plan, detector, name, image))
        else:
            executors.append(QemuExecutor(plan, artifacts.qemu_image(plan, detector, name, library)))
    return executors


def _warn_of_changes(build: BuildFolder) -> None:
    for path in build.changed_files():
        if not path.startswith("src/"):
            click.echo(
                f"cpcc: warning: {build.path / path} was changed since the build; verifying what is there",
                err=True,
            )


def run_verify(folder: Path, x: np.ndarray, y: np.ndarray | None, names: tuple[str, ...], allow_fn: int) -> Report:
    """The `verify.Report` of the build in `folder` on samples and labels."""
    from cpcc import verify as proof
    from cpcc.detector import Detector, check_raw
    from cpcc.folder import open_build

    opened = open_build(folder)
    check_raw(opened.detector.input, x)
    _warn_of_changes(opened)
    executors = make_executors(opened, names)
    detector = opened.detector if isinstance(opened.detector, Detector) else None
    positive = None if y is None or detector is None else y == detector.decision.positive
    floats = _float_scores(opened, x)
    with _progress("verifying", len(x)) as tick:
        return proof.verify(opened, executors, x, positive, floats, allow_fn, tick)


def _float_scores(build: BuildFolder, x: np.ndarray) -> FloatScores | None:
    """Scores of the float networks; None without a decision, or where the model file was fixed-point from the start."""
    from cpcc.detector import Detector

    if build.model_path.suffix == ".tflite" or not isinstance(build.detector, Detector):
        return None
    from cpcc.training import float_scores_of

    return float_scores_of(build, x)


def verify(folder: Path, data: Path, names: tuple[str, ...], allow_fn: int, json_path: Path | None) -> None:
    from cpcc import report as text
    from cpcc.data import load_dataset

    dataset = load_dataset(data, need_labels=False)
    report = run_verify(folder, dataset.x, dataset.y, names, allow_fn)
    _write_json(json_path, report.as_json())
    for line in (text.evaluations(report), *text.verdict(report)):
        if line:
            click.echo(line)
    fail_unless_passed(report)


def fail_unless_passed(report: Report) -> None:
    """Raises `VerificationError` where the report did not pass."""
    if not report.bit_exact:
        raise VerificationError(f"executors differ: {report.first_difference}")
    if not report.passed:
        extra = report.extra_fn
        raise VerificationError(
            f"the fixed-point model misses {extra} more than the float model ({report.allow_fn} allowed); "
            "give more calibration positives, keep more weights, or accept it with --allow-fn"
        )


def _load_npy(path: Path) -> np.ndarray:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give samples saved with numpy.save")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a .npy file ({error}); save samples with numpy.save") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path}: an .npz archive; save one array with numpy.save")
    return array


def run(folder: Path, input_path: Path, output: Path, executor: str, raw: bool) -> None:
    import io

    from cpcc.detector import arena_layout, check_raw, model_layout
    from cpcc.folder import open_build
    from cpcc.graph import Int8

    opened = open_build(folder)
    samples = _load_npy(input_path)
    spec = opened.detector.input
    if executor == "arm" and opened.plan.target.name == "host":
        raise UsageError(f"{folder}: built for the host; there is no ARM binary to run")
    if raw and (samples.dtype != np.int8 or samples.shape[1:] != spec.shape):
        raise DataError(
            f"{input_path}: {samples.dtype.name} {samples.shape}; --raw expects int8 (n, {', '.join(map(str, spec.shape))})"
        )
    if not raw:
        check_raw(spec, samples)
    if not len(samples):
        raise DataError(f"{input_path}: no samples")
    chosen = make_executors(opened, (executor,))[-1]
    trace = chosen.run(np.ascontiguousarray(arena_layout(spec, samples)) if raw else samples, quantized=raw)
    result = model_layout(spec, trace.output)
    if not raw:
        kind = opened.detector.graph.output.type
        assert isinstance(kind, Int8)
        result = kind.dequantize(result).astype(np.float32)
    buffer = io.BytesIO()
    np.save(buffer, result)
    write_atomically(output, buffer.getvalue())
    click.echo(f"wrote {output}: {result.dtype.name} {result.shape}, computed by {chosen.name}")


def profile_of(folder: Path) -> Profile:
    """The `profile.Profile` of the build in `folder`."""
    from cpcc import artifacts
    from cpcc.executors.arm import ArmExecutor
    from cpcc.folder import open_build
    from cpcc.profile import profile as measure

    opened = open_build(folder)
    if not opened.plan.target.core.unicorn_model:
        raise ToolMissingError(
            f"{opened.plan.target.name}: instruction counts need a core that unicorn emulates; build for another --target"
        )
    image = artifacts.arm_image(opened.plan, artifacts.library_on_disk(opened), artifacts.pristine_main(opened))
    executor = ArmExecutor(opened.plan, opened.detector, opened.manifest.name, image)
    return measure(opened, executor, artifacts.image_sizes(image))


def profile(folder: Path, json_path: Path | None) -> None:
    from cpcc import report

    result = profile_of(folder)
    _write_json(json_path, result.as_json())
    click.echo(report.profile_table(result))


def export(net: str, weights: Path, input_shape: tuple[int, ...], output: Path) -> None:
    from cpcc.training import export_to_file

    export_to_file(net, weights, input_shape, output)
    click.echo(f"wrote {output}; next: cpcc build {output} --calibrate calib.npz")


def _inspect_tflite(model: Path) -> None:
    from cpcc import report
    from cpcc.frontends.tflite import to_graph
    from cpcc.graph import Int8
    from cpcc.tflite_model import read_file

    graph = to_graph(read_file(model), model.stem).graph
    click.echo(f"{model}: int8, input {graph.input.shape}, output {graph.output.shape}, every operator is supported")
    click.echo(report.graph_table(graph, Int8))


def inspect(model: Path) -> None:
    from cpcc.build import is_tflite

    if is_tflite(model):
        _inspect_tflite(model)
        return
    from cpcc import report
    from cpcc.frontends.torch_export import to_graph
    from cpcc.graph import Float32, validate
    from cpcc.model_file import load_model

    opened = load_model(model)
    graph = validate(to_graph(opened.program, model.stem), Float32)
    click.echo(f"{model}: input {tuple(opened.input_shape)}, every layer is supported")
    click.echo(report.graph_table(graph))
    for line in report.pruning_lines(opened):
        click.echo(line)


def targets() -> None:
    from cpcc.report import table
    from cpcc.targets import TARGETS

    rows = [
        (t.name, t.core.name, f"{t.flash_bytes // 1024:,}", f"{t.ram_bytes // 1024:,}", t.pio_board or "-")
        for t in TARGETS.values()
    ]
    click.echo(table(("target", "core", "flash KiB", "RAM KiB", "PlatformIO board"), rows))


def doctor(fix: bool) -> None:
    from cpcc import pio
    from cpcc.doctor import run_checks

    if fix and not pio.has_scons():
        click.echo(f"laid PlatformIO's tool-scons, from PyPI's scons, into {pio.lay_scons()}")
    checks = run_checks()
    for check in checks:
        state = "ok" if check.ok else ("MISSING" if check.required else "optional")
        click.echo(f"{state:9}{check.name:20}{check.detail}" + ("" if check.ok else f" -> {check.fix}"))
    missing = [check for check in checks if check.required and not check.ok]
    if missing:
        raise ToolMissingError(f"{missing[0].name} is missing; {missing[0].fix}")


def demo(output: Path, seed: int, target: str) -> None:
    from cpcc.demo import run_demo

    run_demo(output, seed, target)
