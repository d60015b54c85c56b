"""`cpcc data`."""

from __future__ import annotations

import io
from pathlib import Path

import click
from click.core import ParameterSource

from cpcc.cli.common import PATH
from cpcc.errors import UsageError
from cpcc.files import write_atomically
from cpcc.import_data import Arrays

SPLIT_SEED = 0
IMAGE_OPTIONS = ("size", "gray")
TABLE_OPTIONS = ("label", "drop", "group")


@click.command("data")
@click.argument("source", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="The .npz to write.")
@click.option("--important", default=None, help="Name of the important class: label 1, all others 0.")
@click.option("--size", default="32x32", show_default=True, help="Images: HEIGHTxWIDTH after resizing.")
@click.option("--gray", is_flag=True, help="Images: one channel.")
@click.option("--label", default="y", show_default=True, help="Table: column of the labels.")
@click.option("--drop", multiple=True, help="Table: a column that is not a feature; may be repeated.")
@click.option("--group", default=None, help="Table: column of groups that no split may divide (a patient, a machine).")
@click.option("--test", type=PATH, default=None, help="Set a part aside for `cpcc verify`, in this .npz.")
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.3,
    show_default=True,
    help="How much: classes in proportion, whole groups.",
)
def command(
    source: Path, output: Path, important: str | None, size: str, gray: bool, label: str, drop: tuple[str, ...],
    group: str | None, test: Path | None, test_share: float,
) -> None:  # fmt: skip
    """Make an .npz of SOURCE: a folder with one folder of images per class, or a .csv table."""
    from cpcc.import_data import import_images, import_table, set_aside

    if test is not None and test.resolve() == output.resolve():
        raise UsageError(f"--test {test}: is the output too; give another file")
    table = source.suffix.lower() == ".csv"
    _refuse_given(IMAGE_OPTIONS if table else TABLE_OPTIONS, "images" if table else "a .csv table")
    if table:
        arrays = import_table(source, label, important, drop, group)
    else:
        arrays = import_images(source, _size(size), gray, important)
    parts = {output: arrays}
    if test is not None:
        parts[output], parts[test] = set_aside(arrays, test_share, SPLIT_SEED, str(source))
    for path, part in parts.items():
        _write(path, part, important)


def _refuse_given(names: tuple[str, ...], what: str) -> None:
    """Raises `UsageError` for an option that would have no effect on this kind of source."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name}: is for {what}; leave it out here")


def _write(path: Path, arrays: Arrays, important: str | None) -> None:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())
    rare = f", {int(arrays['y'].sum())} of them {important}" if important else ""
    click.echo(f"wrote {path}: {len(arrays['x'])} samples of shape {arrays['x'].shape[1:]}{rare}")


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise UsageError(f"--size {text}: give HEIGHTxWIDTH, such as 32x32")
    return int(height), int(width)
