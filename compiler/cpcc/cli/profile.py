"""`cpcc profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpcc.cli.common import PATH, write_json

if TYPE_CHECKING:
    from cpcc.profile import Profile


@click.command("profile")
@click.argument("folder", type=PATH)
@click.option("--on", "executor", type=click.Choice(["arm"]), default="arm", show_default=True)
@click.option("--json", "json_path", type=PATH, default=None)
@click.option(
    "--wait-states",
    type=click.IntRange(0, 15),
    default=0,
    show_default=True,
    help="Of the flash, for the modelled cycles.",
)
def command(folder: Path, executor: str, json_path: Path | None, wait_states: int) -> None:
    """Exact instructions, modelled cycles, flash, RAM and stack of the build in FOLDER, per layer."""
    from cpcc import report

    result = profile_of(folder, wait_states)
    write_json(json_path, result.as_json())
    click.echo(report.profile_table(result))


def profile_of(folder: Path, wait_states: int = 0) -> Profile:
    """The `profile.Profile` of the build in `folder`."""
    from cpcc.folder import open_build
    from cpcc.proof.prove import profile_of as measure

    return measure(open_build(folder), wait_states)
