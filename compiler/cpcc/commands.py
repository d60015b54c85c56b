"""One function per CLI command: open files, call the library, print the outcome."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress

from cpcc.errors import ToolMissingError, UsageError, VerificationError
from cpcc.files import write_atomically

RUNGS = ("reference", "host", "arm", "qemu")
TIME_LIMIT = 120.0  # seconds: of one layer's call on the emulator, of one batch elsewhere

if TYPE_CHECKING:  # a command imports what it needs when it runs: `cpcc targets` must not wait for torch
    from cpcc.executors.base import Executor
    from cpcc.folder import BuildFolder
    from cpcc.graph import Graph
    from cpcc.profile import Profile
    from cpcc.quantize import QuantizerSettings
    from cpcc.verify import Report


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
    model: Path, target: str, calibrate: Path | None, name: str | None, positive: int | None, important: tuple[int, ...],
    threshold: float | None, input_dtype: str | None, output: Path | None, quantizer: QuantizerSettings,
    regression: bool, decides: str | None, *, threshold_data: Path | None, threshold_table: bool, self_test: bool, optimize: str,
    flash: int | None, ram: int | None, json_path: Path | None, max_fnr: tuple[str, ...], max_fpr: tuple[str, ...],
    confidence: tuple[str, ...],
) -> None:  # fmt: skip
    from cpcc import build_text, report
    from cpcc.build import BuildSettings, check_name, default_name, input_names
    from cpcc.build import build as run_build
    from cpcc.data import load_dataset
    from cpcc.detector import Detector
    from cpcc.plan.objective import Objective
    from cpcc.promise import promise_of
    from cpcc.targets import find_target

    chosen = find_target(target)
    label = check_name(name or default_name(model))
    out = output or Path("build") / label
    promise = promise_of(max_fnr, max_fpr, confidence)
    if threshold_data and not promise:
        raise UsageError("--threshold-data: is used with --max-fnr or --max-fpr; give one of them")
    settings = BuildSettings(
        chosen, label, positive, threshold, input_dtype=input_dtype, regression=regression, output=decides,
        quantizer=quantizer, promise=promise, threshold_table=threshold_table, self_test=self_test, important=important,
        objective=Objective(optimize), flash=flash, ram=ram,
    )  # fmt: skip
    inputs = input_names(model) if calibrate or threshold_data else ()
    samples = load_dataset(calibrate, need_labels=False, inputs=inputs) if calibrate else None
    unseen = load_dataset(threshold_data, inputs=inputs) if threshold_data else None
    result = run_build(model, settings, samples, out, _command_line(), unseen)
    _write_json(json_path, result.report.as_json())
    click.echo(build_text.summary(result.report))
    if isinstance(result.detector, Detector):
        for line in report.threshold_lines(result.detector.decisions):
            click.echo(line)
    for kept in result.kept_files:
        click.echo(f"kept {out / kept}: you edited it")
    click.echo(f"wrote {out}; next: cpcc verify {out} --data test.npz")
    click.echo(build_text.sparsity(result.report))


def _command_line() -> str:
    """How this program was called, for the build's provenance."""
    return shlex.join(["cpcc", *sys.argv[1:]])


def make_executors(build: BuildFolder, names: tuple[str, ...]) -> list[Executor]:
    """The executors called `names`, the reference always first: everything is compared with it."""
    from cpcc.proof import reference_of, steps_of

    return [reference_of(build), *(step.executor for step in steps_of(build, names, samples=0))]


def run_verify(
    folder: Path, x: np.ndarray, y: np.ndarray | None, names: tuple[str, ...], allow_fn: int,
    time_limit: float = TIME_LIMIT, command: str = "", group: np.ndarray | None = None,
) -> Report:  # fmt: skip
    """The `verify.Report` of the build in `folder` on samples and labels, also kept in the folder."""
    from cpcc.folder import open_build
    from cpcc.proof import Job, prove

    opened = open_build(folder)
    with _progress("verifying", len(x)) as tick:
        report = prove(opened, Job(x, y, names, allow_fn, time_limit, command, group), tick)
    for line in report.caveats.lines():
        click.echo(f"cpcc: warning: {line}", err=True)
    return report


def verify(
    folder: Path, data: Path, names: tuple[str, ...], allow_fn: int, json_path: Path | None, time_limit: float,
    **gate: Any,
) -> None:  # fmt: skip
    from cpcc import report as text
    from cpcc.data import load_dataset
    from cpcc.folder import open_build

    dataset = load_dataset(data, need_labels=False, inputs=open_build(folder).plan.graph.inputs)
    report = run_verify(folder, dataset.x, dataset.y, names, allow_fn, time_limit, _command_line(), dataset.group)
    _write_json(json_path, report.as_json())
    for line in (text.evaluations(report), *text.verdict(report)):
        if line:
            click.echo(line)
    worse = _gate(open_build(folder).manifest.name, report, **gate)
    fail_unless_passed(report)
    if worse:
        raise VerificationError("; ".join(worse))


def _gate(
    name: str, report: Report, junit: Path | None, summary: Path | None, baseline: Path | None, max_regression: float,
    strict: bool,
) -> list[str]:  # fmt: skip
    """Write what CI reads; the lines by which the report is worse than the baseline, or than strictness allows."""
    from cpcc import gate

    found = report.as_json()
    old = gate.read_baseline(baseline, found) if baseline else None
    figures = gate.compare(found, old, max_regression)
    if junit:
        write_atomically(junit, gate.junit(name, found, figures, max_regression))
    if summary:
        write_atomically(summary, gate.summary(name, found, figures).encode())
    worse = [f"worse than the baseline: {line}" for line in gate.regressions(figures, max_regression)]
    return worse + (report.caveats.lines() if strict else [])


def explain(folder: Path, data: Path, sample: int) -> None:
    from cpcc.data import load_dataset
    from cpcc.explain import explain as explained
    from cpcc.folder import open_build

    opened = open_build(folder)
    dataset = load_dataset(data, need_labels=False, inputs=opened.plan.graph.inputs)
    if not 0 <= sample < len(dataset.x):
        raise UsageError(f"--explain {sample}: the data have samples 0 to {len(dataset.x) - 1}")
    click.echo(explained(opened, dataset.x[sample : sample + 1], sample))


def fail_unless_passed(report: Report) -> None:
    """Raises `VerificationError` where the report did not pass."""
    if report.failure:
        raise VerificationError(report.failure)
    if not report.bit_exact:
        raise VerificationError(f"executors differ: {report.first_difference}")
    from cpcc.report import whose

    broken = [(whose(each, report), each.promise) for each in report.classes if each.promise and not each.promise.holds]
    if broken:
        wrong = "; ".join(
            f"{name}{p.errors} of {p.samples} wrong contradict the promised --{p.kind} {p.level:g} (p = {p.p_value:.2g})"
            for name, p in broken
        )
        raise VerificationError(
            f"{wrong}; the data are not exchangeable with the calibration's, or the build had bad luck: "
            "calibrate on data like these"
        )
    worse = [each for each in report.classes if each.fn_match(report.allow_fn) is False]
    if worse:
        extra = "; ".join(
            f"{whose(each, report)}the fixed-point model misses {each.extra_fn} more than the float model"
            for each in worse
        )
        raise VerificationError(
            f"{extra} ({report.allow_fn} allowed); "
            "give more calibration positives, keep more weights, or accept it with --allow-fn"
        )


def run(folder: Path, input_path: Path, output: Path, executor: str, raw: bool) -> None:
    from cpcc.folder import open_build
    from cpcc.inference import infer, load_inputs, saved

    opened = open_build(folder)
    if executor == "arm" and opened.plan.target.name == "host":
        raise UsageError(f"{folder}: built for the host; there is no ARM binary to run")
    samples = load_inputs(opened.detector, input_path, raw)
    chosen = make_executors(opened, (executor,))[-1]
    results = infer(opened.detector, chosen, samples, raw)
    write_atomically(output, saved(results))
    shapes = ", ".join(f"{r.dtype.name} {r.shape}" if len(results) == 1 else f"{name} {r.dtype.name} {r.shape}" for name, r in results.items())  # fmt: skip
    click.echo(f"wrote {output}: {shapes}, computed by {chosen.name}")


def profile_of(folder: Path, wait_states: int = 0) -> Profile:
    """The `profile.Profile` of the build in `folder`."""
    from cpcc.folder import open_build
    from cpcc.proof import profile_of as measure

    return measure(open_build(folder), wait_states)


def profile(folder: Path, json_path: Path | None, wait_states: int) -> None:
    from cpcc import report

    result = profile_of(folder, wait_states)
    _write_json(json_path, result.as_json())
    click.echo(report.profile_table(result))


def report(folder: Path, data: Path | None, output: Path | None) -> None:
    from cpcc.data import load_dataset
    from cpcc.folder import open_build

    if data is not None:
        dataset = load_dataset(data, need_labels=False, inputs=open_build(folder).plan.graph.inputs)
        run_verify(folder, dataset.x, dataset.y, RUNGS, 0, command=_command_line(), group=dataset.group)
    path, line = html_report(folder, output)
    click.echo(f"wrote {path}")
    click.echo(line)


def html_report(folder: Path, output: Path | None) -> tuple[Path, str]:
    """(path written, verdict in one line) of the build's last verification. Raises `DataError` where there is none."""
    from cpcc.folder import open_build
    from cpcc.html_report.page import write_report
    from cpcc.proof import can_count
    from cpcc.results import load_results

    opened = open_build(folder)
    results = load_results(opened)
    profile = profile_of(folder) if can_count(opened) else None
    path = output or folder / "report.html"
    return path, write_report(opened, results, profile, path)


def export(net: str, weights: Path, shapes: Sequence[tuple[int, ...]], output: Path) -> None:
    from cpcc.training import export_to_file

    export_to_file(net, weights, shapes, output)
    click.echo(f"wrote {output}; next: cpcc build {output} --calibrate calib.npz")


def _inspect_tflite(model: Path) -> None:
    from cpcc import report
    from cpcc.frontends.tflite import to_graph
    from cpcc.graph import Int8
    from cpcc.tflite_model import read_file

    graph = to_graph(read_file(model), model.stem).graph
    click.echo(f"{model}: int8, {_ports(graph)}, every operator is supported")
    click.echo(report.graph_table(graph, Int8))


def _ports(graph: Graph) -> str:
    """Inputs and outputs in words, several with their names."""
    words = []
    for what, names in (("input", graph.inputs), ("output", graph.outputs)):
        shapes = [graph.tensors[name].shape for name in names]
        several = ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes))
        words.append(f"{what} {shapes[0]}" if len(names) == 1 else f"{what}s {several}")
    return ", ".join(words)


def _inspect_onnx(model: Path) -> None:
    from cpcc import report
    from cpcc.frontends.onnx import to_graph
    from cpcc.graph import Float32, Int8
    from cpcc.onnx_model import read_file

    imported = to_graph(read_file(model), model.stem)
    what = "int8" if imported.quantized else "float"
    click.echo(f"{model}: {what}, {_ports(imported.graph)}, every operator is supported")
    click.echo(report.graph_table(imported.graph, Int8 if imported.quantized else Float32))


def inspect(model: Path) -> None:
    from cpcc.build import suffix_of

    if suffix_of(model) != ".pt":
        _inspect_tflite(model) if suffix_of(model) == ".tflite" else _inspect_onnx(model)
        return
    from cpcc import report
    from cpcc.frontends.torch_export import to_graph
    from cpcc.graph import Float32, validate
    from cpcc.model_file import load_model

    opened = load_model(model)
    graph = validate(to_graph(opened.program, model.stem), Float32)
    shapes = opened.input_shapes
    several = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    inputs = f"input {next(iter(shapes.values()))}" if len(shapes) == 1 else f"inputs {several}"
    outputs = "" if len(graph.outputs) == 1 else f", outputs {', '.join(graph.outputs)}"
    click.echo(f"{model}: {inputs}{outputs}, every layer is supported")
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
