"""`cpcc demo`."""

from pathlib import Path

import click

from cpcc.cli.common import PATH


@click.command("demo")
@click.option("-o", "--output", type=PATH, default=Path("build/demo"), show_default=True)
@click.option("--seed", type=click.IntRange(0), default=2020, show_default=True)
@click.option("--target", default="stm32", show_default=True)
def command(output: Path, seed: int, target: str) -> None:
    """Breast cancer detector, end to end: prune, compile, verify on an emulated Cortex-M4."""
    from cpcc.demo import run_demo

    run_demo(output, seed, target)
