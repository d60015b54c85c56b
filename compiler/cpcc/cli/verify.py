"""`cpcc verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpcc.cli.common import PATH, RUNGS, command_line, progress, write_json
from cpcc.errors import UsageError, VerificationError
from cpcc.files import check_writable, write_atomically

if TYPE_CHECKING:
    import numpy as np

    from cpcc.proof.verify import Report

TIME_LIMIT = 120.0  # seconds: of one layer's call on the emulator, of one batch elsewhere


def _share(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """0.02 of "2%" or "0.02"."""
    number, percent = (value[:-1], 100) if value.endswith("%") else (value, 1)
    try:
        share = float(number) / percent
    except ValueError:
        share = -1
    if not 0 <= share < 100:
        raise click.BadParameter(f"{value!r}; write a share like 2% or 0.02")
    return share


def _executors(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    unknown = [name for name in names if name not in RUNGS]
    if unknown:
        raise click.BadParameter(f"unknown executor {unknown[0]!r}; known: {', '.join(RUNGS)}")
    return names


@click.command("verify")
@click.argument("folder", type=PATH)
@click.option("--data", type=PATH, required=True, help="Test data, .npz with x and y.")
@click.option(
    "--on", "names", default=",".join(RUNGS), show_default=True, callback=_executors,
    help="qemu is the second emulator, on a part of the samples, where it is installed.",
)  # fmt: skip
@click.option(
    "--allow-fn",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Misses that the fixed-point model may add.",
)
@click.option("--json", "json_path", type=PATH, default=None, help="Write the report here, also on exit 6.")
@click.option(
    "--explain", type=int, default=None, metavar="SAMPLE", help="Show this one sample through all nodes instead."
)
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), default=TIME_LIMIT, show_default=True,
    help="Seconds for one layer's call on the emulator, for one batch elsewhere.",
)  # fmt: skip
@click.option("--junit", type=PATH, default=None, help="Write JUnit XML here, also on exit 6.")
@click.option("--summary", type=PATH, default=None, help="Write a Markdown table here, for a pull request.")
@click.option(
    "--baseline", type=PATH, default=None, help="An older --json to be no worse than: FN, flash, RAM, instructions."
)
@click.option(
    "--max-regression", default="0%", show_default=True, callback=_share,
    help="By how much each may be worse than in the baseline, like 2%.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Warnings (seen samples, changed files) are failures.")
def command(folder: Path, data: Path, explain: int | None, **options: Any) -> None:
    """Prove that the build in FOLDER equals its reference everywhere and misses no more than the float model."""
    if explain is not None:
        _explain(folder, data, explain)
    else:
        _verify(folder, data, **options)


def _verify(
    folder: Path, data: Path, names: tuple[str, ...], allow_fn: int, json_path: Path | None, time_limit: float,
    **gate: Any,
) -> None:  # fmt: skip
    from cpcc import report as text
    from cpcc.data import load_dataset
    from cpcc.folder import open_build
    from cpcc.proof.gate import open_baseline

    check_writable(json_path, gate["junit"], gate["summary"])
    if gate["baseline"]:
        open_baseline(gate["baseline"])  # before minutes of verification rather than after them
    dataset = load_dataset(data, need_labels=False, inputs=open_build(folder).plan.graph.inputs)
    report = run_verify(folder, dataset.x, dataset.y, names, allow_fn, time_limit, command_line(), dataset.group)
    write_json(json_path, report.as_json())
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
    from cpcc.proof import gate

    found = report.as_json()
    old = gate.read_baseline(baseline, found) if baseline else None
    figures = gate.compare(found, old, max_regression)
    if junit:
        write_atomically(junit, gate.junit(name, found, figures, max_regression))
    if summary:
        write_atomically(summary, gate.summary(name, found, figures).encode())
    worse = [f"worse than the baseline: {line}" for line in gate.regressions(figures, max_regression)]
    return worse + (report.caveats.lines() if strict else [])


def _explain(folder: Path, data: Path, sample: int) -> None:
    from cpcc.data import load_dataset
    from cpcc.folder import open_build
    from cpcc.proof.explain import explain as explained

    opened = open_build(folder)
    dataset = load_dataset(data, need_labels=False, inputs=opened.plan.graph.inputs)
    if not 0 <= sample < len(dataset.x):
        raise UsageError(f"--explain {sample}: the data have samples 0 to {len(dataset.x) - 1}")
    click.echo(explained(opened, dataset.x[sample : sample + 1], sample))


def run_verify(
    folder: Path, x: np.ndarray, y: np.ndarray | None, names: tuple[str, ...], allow_fn: int,
    time_limit: float = TIME_LIMIT, command: str = "", group: np.ndarray | None = None,
) -> Report:  # fmt: skip
    """The `verify.Report` of the build in `folder` on samples and labels, also kept in the folder."""
    from cpcc.folder import open_build
    from cpcc.proof.prove import Job, prove

    opened = open_build(folder)
    with progress("verifying", len(x)) as tick:
        report = prove(opened, Job(x, y, names, allow_fn, time_limit, command, group), tick)
    for line in report.caveats.lines():
        click.echo(f"cpcc: warning: {line}", err=True)
    return report


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
