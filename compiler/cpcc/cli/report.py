"""`cpcc report`."""

from __future__ import annotations

from pathlib import Path

import click

from cpcc.cli.common import PATH, RUNGS, command_line
from cpcc.cli.profile import profile_of
from cpcc.cli.verify import run_verify


@click.command("report")
@click.argument("folder", type=PATH)
@click.option("--data", type=PATH, default=None, help="Verify on these first.  [default: the last verification]")
@click.option("-o", "--output", type=PATH, default=None, help="File.  [default: FOLDER/report.html]")
def command(folder: Path, data: Path | None, output: Path | None) -> None:
    """Write one HTML page about the build in FOLDER: misses, evidence, cost, provenance."""
    from cpcc.data import load_dataset
    from cpcc.folder import open_build

    if data is not None:
        dataset = load_dataset(data, need_labels=False, inputs=open_build(folder).plan.graph.inputs)
        run_verify(folder, dataset.x, dataset.y, RUNGS, 0, command=command_line(), group=dataset.group)
    path, line = html_report(folder, output)
    click.echo(f"wrote {path}")
    click.echo(line)


def html_report(folder: Path, output: Path | None) -> tuple[Path, str]:
    """(path written, verdict in one line) of the build's last verification. Raises `DataError` where there is none."""
    from cpcc.folder import open_build
    from cpcc.html_report.page import write_report
    from cpcc.proof.prove import can_count
    from cpcc.proof.results import load_results

    opened = open_build(folder)
    results = load_results(opened)
    profile = profile_of(folder) if can_count(opened) else None
    path = output or folder / "report.html"
    return path, write_report(opened, results, profile, path)
