"""`cpcc doctor`."""

import click

from cpcc.errors import ToolMissingError


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Lay PlatformIO's tool-scons from PyPI's scons when it is missing.")
def command(fix: bool) -> None:
    """Check what is installed."""
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
