"""`cpcc targets`."""

import click


@click.command("targets")
def command() -> None:
    """List the targets."""
    from cpcc.report import table
    from cpcc.targets import TARGETS

    rows = [
        (t.name, t.core.name, f"{t.flash_bytes // 1024:,}", f"{t.ram_bytes // 1024:,}", t.pio_board or "-")
        for t in TARGETS.values()
    ]
    click.echo(table(("target", "core", "flash KiB", "RAM KiB", "PlatformIO board"), rows))
