"""`cpcc data`."""

from __future__ import annotations

import io
from pathlib import Path

import click

from cpcc.cli.common import PATH
from cpcc.errors import UsageError
from cpcc.files import write_atomically


@click.command("data")
@click.argument("source", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="The .npz to write.")
@click.option("--important", default=None, help="Name of the important class: label 1, all others 0.")
@click.option("--size", default="32x32", show_default=True, help="Images: HEIGHTxWIDTH after resizing.")
@click.option("--gray", is_flag=True, help="Images: one channel.")
@click.option("--label", default="y", show_default=True, help="Table: column of the labels.")
@click.option("--drop", multiple=True, help="Table: a column that is not a feature; may be repeated.")
@click.option("--group", default=None, help="Table: column of groups that no split may divide (a patient, a machine).")
def command(
    source: Path, output: Path, important: str | None, size: str, gray: bool, label: str, drop: tuple[str, ...],
    group: str | None,
) -> None:  # fmt: skip
    """Make an .npz of SOURCE: a folder with one folder of images per class, or a .csv table."""
    import numpy as np

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
