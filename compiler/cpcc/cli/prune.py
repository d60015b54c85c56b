"""`cpcc prune`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote

import click

from cpcc.cli.common import PATH
from cpcc.errors import UsageError

RATIO = "ratio"


def _pos_weight(context: click.Context, parameter: click.Parameter, value: str) -> float | None:
    """None of "ratio": what the settings call the class ratio."""
    if value == RATIO:
        return None
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r}; give a number above 0, or {RATIO}") from None


@click.command("prune")
@click.argument("net")
@click.option("--data", type=PATH, required=True, help="Training data, .npz with x, y and optionally group.")
@click.option("--positive", type=int, required=True, help="Label of the important class.")
@click.option(
    "--keep",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="Fraction of the weights to keep.",
)
@click.option("-o", "--output", type=PATH, default=None, help="Model file.  [default: build/<net>.pt]")
@click.option(
    "--max-fn-increase",
    type=click.IntRange(0),
    default=None,
    help="Misses that pruning may add, on validation samples; the sparsest network that holds this is kept.",
)
@click.option(
    "--fnr-budget",
    type=click.FloatRange(0, 1),
    default=None,
    help="The same as a rate: 0.02 lets FNR grow by 2 points.",
)
@click.option(
    "--max-fpr-increase",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="False-alarm rate that holding the budget may cost.",
)
@click.option(
    "--important",
    multiple=True,
    metavar="LABEL[=BUDGET]",
    help="A further important class of a network with several outputs; BUDGET is its allowed increase of FNR.",
)
@click.option("--loss", type=click.Choice(["hybrid", "bce", "focal"]), default="hybrid", show_default=True)
@click.option(
    "--rank",
    type=click.Choice(["max", "pairwise", "top"]),
    default="top",
    show_default=True,
    help="Ranking term: the paper's hinge on the highest negative, all pairs, or pairs with the highest negatives.",
)
@click.option(
    "--pos-weight", default="1", show_default=True, callback=_pos_weight, metavar=f"FLOAT|{RATIO}",
    help="Weight of the important class in the cross entropy; ratio: other samples per sample of it.",
)  # fmt: skip
@click.option(
    "--score",
    type=click.Choice(["magnitude", "magnitude_increase", "snip", "snip_init", "class_saliency", "random"]),
    default="magnitude",
    show_default=True,
    help="Which weights go first.",
)
@click.option(
    "--scope",
    type=click.Choice(["erk", "global", "layer"]),
    default="erk",
    show_default=True,
    help="Small layers keep a larger fraction, one cut over all layers, or the same fraction of each.",
)
@click.option(
    "--schedule",
    type=click.Choice(["geometric", "cubic", "one-shot"]),
    default="geometric",
    show_default=True,
    help="How the remaining weights fall to KEEP.",
)
@click.option("--device", default="cpu", show_default=True, help="Where to train: cpu, cuda, cuda:1, mps.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same command.")
@click.option(
    "--run-dir", type=PATH, default=None, help="Checkpoint and metrics.  [default: OUTPUT without suffix + .run]"
)
@click.option("--rewind", default="lr", show_default=True, help="init, epoch:K, or lr (weights kept).")
@click.option("--epochs", type=click.IntRange(1), default=None, help="Of the first training.")
@click.option("--epochs-later", type=click.IntRange(1), default=None, help="Of each later training.")
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=5e-3, show_default=True, help="Learning rate.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option(
    "--floor", type=click.IntRange(0), default=2, show_default=True, help="Weights that every output of a layer keeps."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--no-baseline", is_flag=True, help="Without the class-blind run beside it, which takes about as long again."
)
@click.option("--quiet", is_flag=True, help="No progress bars.")
@click.option(
    "--structure",
    type=click.Choice(["unstructured", "block4", "block16", "channel"]),
    default="unstructured",
    show_default=True,
    help="What is pruned as a whole: a weight, four or sixteen input channels, a channel.",
)
@click.option(
    "--weights",
    type=click.Choice(["float", "ternary", "3bit", "4bit"]),
    default="float",
    show_default=True,
    help="Values of the weights: any, or 3, 7 or 15 times a scale per output.",
)
@click.option("--qat", is_flag=True, help="A last round that trains with int8 rounding.")
def command(
    net: str, data: Path, positive: int, keep: float, output: Path | None, quiet: bool, device: str, resume: bool,
    run_dir: Path | None, no_baseline: bool, important: tuple[str, ...], pos_weight: float | None, **options: object,
) -> None:  # fmt: skip
    """Train NET and prune it class-dependently into a model file.

    NET is path/to/file.py:callable returning an nn.Module, or a named net: mlp, cnn3, lenet5, dscnn.
    """
    from cpcc import report
    from cpcc.data import load_dataset
    from cpcc.training import Run, checkpoints, important_classes, prune_to_file, settings_from

    dataset = load_dataset(data)
    path = output or Path("build") / f"{net.rpartition(':')[2] or net}.pt"
    more = important_classes(important)
    if any("=" in word for word in important) and (options["max_fn_increase"], options["fnr_budget"]) == (None, None):
        raise UsageError(
            "--important LABEL=BUDGET: counts together with --max-fn-increase or --fnr-budget; give one of them"
        )
    chosen = settings_from(positive=positive, keep=keep, more_classes=more, **options)
    settings = replace(chosen, pos_weight=pos_weight)
    folder = run_dir or path.with_suffix(".run")
    if resume and not checkpoints(folder):
        click.echo(f"cpcc: warning: --resume: {folder} holds no checkpoint; beginning anew", err=True)
    try:
        result = prune_to_file(
            net, dataset, settings, path, progress=not quiet, run=Run(device, resume, folder, not no_baseline)
        )
    except KeyboardInterrupt:
        if checkpoints(folder):
            click.echo(f"cpcc: {folder} holds a checkpoint; the same command with --resume goes on from it", err=True)
        raise
    click.echo(report.pruning_summary(result))
    click.echo(f"wrote {path}; next: cpcc build {quote(str(path))}")
