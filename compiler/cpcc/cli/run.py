"""`cpcc run`."""

from __future__ import annotations

from pathlib import Path

import click

from cpcc.cli.common import EXECUTORS, PATH
from cpcc.errors import UsageError
from cpcc.files import write_atomically


@click.command("run")
@click.argument("folder", type=PATH)
@click.option(
    "--input",
    "input_path",
    type=PATH,
    required=True,
    help="Samples, .npy (n, ...) or .npz with x; of several inputs .npz with an array each.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="Logits, .npy (n, k) float32; int8 with --raw; several outputs .npz.",
)
@click.option("--on", "executor", type=click.Choice(EXECUTORS), default="reference", show_default=True)
@click.option("--raw", is_flag=True, help="int8 in and out, in the model file's own layout.")
def command(folder: Path, input_path: Path, output: Path, executor: str, raw: bool) -> None:
    """Run the build in FOLDER on samples."""
    from cpcc.folder import open_build
    from cpcc.inference import infer, load_inputs, saved
    from cpcc.proof.prove import executor_called

    opened = open_build(folder)
    if executor == "arm" and opened.plan.target.name == "host":
        raise UsageError(f"{folder}: built for the host; there is no ARM binary to run")
    samples = load_inputs(opened.detector, input_path, raw)
    chosen = executor_called(opened, executor)
    results = infer(opened.detector, chosen, samples, raw)
    write_atomically(output, saved(results))
    shapes = ", ".join(f"{r.dtype.name} {r.shape}" if len(results) == 1 else f"{name} {r.dtype.name} {r.shape}" for name, r in results.items())  # fmt: skip
    click.echo(f"wrote {output}: {shapes}, computed by {chosen.name}")
