"""`cpcc export`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from cpcc.cli.common import PATH


def _shapes(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(_shape(value) for value in values)


def _shape(value: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r}; write one sample's shape like 1,28,28 or 30") from None
    if len(shape) not in (1, 2, 3) or min(shape) < 1:
        raise click.BadParameter(
            f"{value!r}; one sample has the shape features, channels,length or channels,height,width"
        )
    return shape


@click.command("export")
@click.argument("net")
@click.option("--weights", type=PATH, required=True, help="state_dict saved with torch.save.")
@click.option(
    "--input-shape", "shapes", required=True, multiple=True, callback=_shapes,
    help="One sample's, like 1,28,28; of several inputs one each, in the order of forward's arguments.",
)  # fmt: skip
@click.option("-o", "--output", type=PATH, required=True)
def command(net: str, weights: Path, shapes: tuple[tuple[int, ...], ...], output: Path) -> None:
    """Make a model file from a module and its state_dict."""
    from cpcc.training import export_to_file

    export_to_file(net, weights, shapes, output)
    click.echo(f"wrote {output}; next: cpcc build {quote(str(output))} --calibrate calib.npz")
