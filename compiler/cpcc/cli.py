"""The command line: parse, call one function, print. No logic.

Exit codes: 0 ok, 1 internal, 2 usage, 3 model, 4 does not fit, 5 tool missing, 6 verification, 7 data, 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from cpcc import __version__
from cpcc.errors import CpccError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
MODEL = click.Path(path_type=Path)
EXECUTORS = ("reference", "host", "arm")
RUNGS = (*EXECUTORS, "qemu")


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="cpcc")
def cli() -> None:
    """Prune a detector so that it misses no more, compile it to C, prove it on an emulated Cortex-M."""


@cli.command()
@click.argument("net")
@click.option("--data", type=MODEL, required=True, help="Training data, .npz with x, y and optionally group.")
@click.option("--positive", type=int, required=True, help="Label of the important class.")
@click.option(
    "--keep",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="Fraction of the weights to keep.",
)
@click.option("-o", "--output", type=MODEL, default=None, help="Model file.  [default: build/<net>.pt]")
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
    "--run-dir", type=MODEL, default=None, help="Checkpoint and metrics.  [default: OUTPUT without suffix + .run]"
)
@click.option("--rewind", default="lr", show_default=True, help="init, epoch:K, or lr (weights kept).")
@click.option("--epochs", type=click.IntRange(1), default=None, help="Of the first training.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bars.")
@click.option(
    "--structure",
    type=click.Choice(["unstructured", "block4", "channel"]),
    default="unstructured",
    show_default=True,
    help="What is pruned as a whole: a weight, four input channels, a channel.",
)
@click.option(
    "--weights",
    type=click.Choice(["float", "ternary", "3bit", "4bit"]),
    default="float",
    show_default=True,
    help="Values of the weights: any, or 3, 7 or 15 times a scale per output.",
)
@click.option("--qat", is_flag=True, help="A last round that trains with int8 rounding.")
def prune(
    net: str,
    data: Path,
    positive: int,
    keep: float,
    output: Path | None,
    quiet: bool,
    device: str,
    resume: bool,
    run_dir: Path | None,
    **options: object,
) -> None:
    """Train NET and prune it class-dependently into a model file.

    NET is path/to/file.py:callable returning an nn.Module, or a named net: mlp, cnn3, lenet5, dscnn.
    """
    from cpcc import commands

    commands.prune(net, data, positive, keep, output, quiet, commands.Run(device, resume, run_dir), options)


@cli.command()
@click.argument("source", type=MODEL)
@click.option("-o", "--output", type=MODEL, required=True, help="The .npz to write.")
@click.option("--important", default=None, help="Name of the important class: label 1, all others 0.")
@click.option("--size", default="32x32", show_default=True, help="Images: HEIGHTxWIDTH after resizing.")
@click.option("--gray", is_flag=True, help="Images: one channel.")
@click.option("--label", default="y", show_default=True, help="Table: column of the labels.")
@click.option("--drop", multiple=True, help="Table: a column that is not a feature; may be repeated.")
@click.option("--group", default=None, help="Table: column of groups that no split may divide (a patient, a machine).")
def data(source: Path, output: Path, **options: Any) -> None:
    """Make an .npz of SOURCE: a folder with one folder of images per class, or a .csv table."""
    from cpcc import commands

    commands.import_data(source, output, **options)


@cli.command()
@click.argument("model", type=MODEL)
@click.option("--target", default="stm32", show_default=True, help="See: cpcc targets.")
@click.option("--calibrate", type=MODEL, default=None, help="Samples for the quantizer, .npz with x and, better, y.")
@click.option("--name", default=None, help="Name of the library.  [default: the model file's]")
@click.option("--positive", type=int, default=None, help="Label of the important class, over the model file's.")
@click.option(
    "--important", type=int, multiple=True, metavar="LABEL",
    help="With --positive: a further important class of a network with an output per class.",
)  # fmt: skip
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=None,
    help="Probability from which a sample is positive, over the model file's rule.",
)
@click.option(
    "--max-fnr", multiple=True, metavar="[LABEL=]RATE",
    help="Promise at most this share of misses, of every important class or of one: see --confidence.",
)  # fmt: skip
@click.option("--max-fpr", multiple=True, metavar="[LABEL=]RATE", help="Promise at most this share of false alarms.")
@click.option(
    "--confidence", multiple=True, metavar="[LABEL=]SHARE",
    help="That all promised rates hold, shared out equally; or each class's own.  [default: 0.95]",
)  # fmt: skip
@click.option(
    "--threshold-data", type=MODEL, default=None, help="Unseen samples for the promised rate, .npz with x, y."
)
@click.option("--threshold-table", is_flag=True, help="Ship the table of (threshold, FNR, FPR) with the library.")
@click.option("--self-test", is_flag=True, help="Compile in a check at boot: CRC of all constants, known answers.")
@click.option(
    "--input",
    "input_dtype",
    type=click.Choice(["int8", "float32", "uint8"]),
    default=None,
    help="What raw samples of a quantized model are.  [default: as the file has it]",
)
@click.option("-o", "--output", type=MODEL, default=None, help="Folder.  [default: build/<name>]")
@click.option(
    "--calibration",
    type=click.Choice(["minmax", "percentile", "mse", "kl"]),
    default="minmax",
    show_default=True,
    help="How a tensor's range is chosen from the samples.",
)
@click.option("--regression", is_flag=True, help="The result is the output vectors, without a decision.")
@click.option(
    "--decides", default=None, metavar="OUTPUT", help="Name or number of the output that decides, of several."
)
@click.option("--equalize", is_flag=True, help="Balance channels between layers: for depthwise networks.")
@click.option("--correct-bias", is_flag=True, help="Take the mean rounding error out of each layer's bias.")
@click.option(
    "--optimize", type=click.Choice(["speed", "size", "balanced"]), default="speed", show_default=True,
    help="Fewest modelled cycles; least flash, compiled with -Os; or the least product of the two.",
)  # fmt: skip
@click.option(
    "--flash",
    type=click.IntRange(1),
    default=None,
    metavar="BYTES",
    help="Of the whole image.  [default: the target's]",
)
@click.option(
    "--ram", type=click.IntRange(1), default=None, metavar="BYTES", help="Arena and stack.  [default: the target's]"
)
@click.option("--json", "json_path", type=MODEL, default=None, help="Write the build's report here.")
@click.option(
    "--int16",
    default="auto",
    show_default=True,
    metavar="never|auto|all|LAYER,…",
    help="Layers with 16-bit activations; auto: where too little signal is left above the rounding noise.",
)
def build(
    model: Path,
    target: str,
    calibrate: Path | None,
    name: str | None,
    positive: int | None,
    important: tuple[int, ...],
    threshold: float | None,
    input_dtype: str | None,
    output: Path | None,
    calibration: str,
    regression: bool,
    decides: str | None,
    equalize: bool,
    correct_bias: bool,
    int16: str,
    **promise: Any,
) -> None:
    """Compile MODEL to a PlatformIO project with fixed-point C.

    MODEL is cpcc's own or a torch.export archive (.pt, .pt2), or an int8 .tflite model, which needs no calibration data, or an .onnx model;
    without --positive it builds without a decision: the result is the output tensor. The integer threshold misses no
    more calibration positives than the float model, or keeps the rate promised with --max-fnr or --max-fpr.
    """
    from cpcc import commands
    from cpcc.quantize import QuantizerSettings

    quantizer = QuantizerSettings(calibration, equalize, correct_bias, int16)
    commands.build(
        model,
        target,
        calibrate,
        name,
        positive,
        important,
        threshold,
        input_dtype,
        output,
        quantizer,
        regression,
        decides,
        **promise,
    )


def _share(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """0.02 of "2%" or "0.02"."""
    number, percent = (value[:-1], 100) if value.endswith("%") else (value, 1)
    try:
        share = float(number) / percent
    except ValueError:
        share = -1
    if not 0 <= share < 100:
        raise click.BadParameter(f"{value!r}; write a share like 2% or 0.02")
    return share


def _executors(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    unknown = [name for name in names if name not in RUNGS]
    if unknown:
        raise click.BadParameter(f"unknown executor {unknown[0]!r}; known: {', '.join(RUNGS)}")
    return names


@cli.command()
@click.argument("folder", type=MODEL)
@click.option("--data", type=MODEL, required=True, help="Test data, .npz with x and y.")
@click.option(
    "--on", "names", default=",".join(RUNGS), show_default=True, callback=_executors,
    help="qemu is the second emulator, on a part of the samples, where it is installed.",
)  # fmt: skip
@click.option(
    "--allow-fn",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Misses that the fixed-point model may add.",
)
@click.option("--json", "json_path", type=MODEL, default=None, help="Write the report here, also on exit 6.")
@click.option(
    "--explain", type=int, default=None, metavar="SAMPLE", help="Show this one sample through all nodes instead."
)
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), default=120.0, show_default=True,
    help="Seconds for one layer's call on the emulator, for one batch elsewhere.",
)  # fmt: skip
@click.option("--junit", type=MODEL, default=None, help="Write JUnit XML here, also on exit 6.")
@click.option("--summary", type=MODEL, default=None, help="Write a Markdown table here, for a pull request.")
@click.option(
    "--baseline", type=MODEL, default=None, help="An older --json to be no worse than: FN, flash, RAM, instructions."
)
@click.option(
    "--max-regression", default="0%", show_default=True, callback=_share,
    help="By how much each may be worse than in the baseline, like 2%.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Warnings (seen samples, changed files) are failures.")
def verify(folder: Path, data: Path, explain: int | None, **options: Any) -> None:
    """Prove that the build in FOLDER equals its reference everywhere and misses no more than the float model."""
    from cpcc import commands

    if explain is not None:
        commands.explain(folder, data, explain)
    else:
        commands.verify(folder, data, **options)


@cli.command()
@click.argument("folder", type=MODEL)
@click.option(
    "--input",
    "input_path",
    type=MODEL,
    required=True,
    help="Samples, .npy (n, ...); of several inputs .npz with an array each.",
)
@click.option(
    "-o",
    "--output",
    type=MODEL,
    required=True,
    help="Logits, .npy (n, k) float32; int8 with --raw; several outputs .npz.",
)
@click.option("--on", "executor", type=click.Choice(EXECUTORS), default="reference", show_default=True)
@click.option("--raw", is_flag=True, help="int8 in and out, in the model file's own layout.")
def run(folder: Path, input_path: Path, output: Path, executor: str, raw: bool) -> None:
    """Run the build in FOLDER on samples."""
    from cpcc import commands

    commands.run(folder, input_path, output, executor, raw)


@cli.command()
@click.argument("folder", type=MODEL)
@click.option("--on", "executor", type=click.Choice(["arm"]), default="arm", show_default=True)
@click.option("--json", "json_path", type=MODEL, default=None)
@click.option(
    "--wait-states",
    type=click.IntRange(0, 15),
    default=0,
    show_default=True,
    help="Of the flash, for the modelled cycles.",
)
def profile(folder: Path, executor: str, json_path: Path | None, wait_states: int) -> None:
    """Exact instructions, modelled cycles, flash, RAM and stack of the build in FOLDER, per layer."""
    from cpcc import commands

    commands.profile(folder, json_path, wait_states)


@cli.command()
@click.argument("folder", type=MODEL)
@click.option("--data", type=MODEL, default=None, help="Verify on these first.  [default: the last verification]")
@click.option("-o", "--output", type=MODEL, default=None, help="File.  [default: FOLDER/report.html]")
def report(folder: Path, data: Path | None, output: Path | None) -> None:
    """Write one HTML page about the build in FOLDER: misses, evidence, cost, provenance."""
    from cpcc import commands

    commands.report(folder, data, output)


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


@cli.command()
@click.argument("net")
@click.option("--weights", type=MODEL, required=True, help="state_dict saved with torch.save.")
@click.option(
    "--input-shape", "shapes", required=True, multiple=True, callback=_shapes,
    help="One sample's, like 1,28,28; of several inputs one each, in the order of forward's arguments.",
)  # fmt: skip
@click.option("-o", "--output", type=MODEL, required=True)
def export(net: str, weights: Path, shapes: tuple[tuple[int, ...], ...], output: Path) -> None:
    """Make a model file from a module and its state_dict."""
    from cpcc import commands

    commands.export(net, weights, shapes, output)


@cli.command()
@click.argument("model", type=MODEL)
def inspect(model: Path) -> None:
    """Layers, shapes, sparsity of MODEL, what is supported, and how it was pruned."""
    from cpcc import commands

    commands.inspect(model)


@cli.command()
def targets() -> None:
    """List the targets."""
    from cpcc import commands

    commands.targets()


@cli.command()
@click.option("--fix", is_flag=True, help="Lay PlatformIO's tool-scons from PyPI's scons when it is missing.")
def doctor(fix: bool) -> None:
    """Check what is installed."""
    from cpcc import commands

    commands.doctor(fix)


@cli.command()
@click.option("-o", "--output", type=MODEL, default=Path("build/demo"), show_default=True)
@click.option("--seed", type=click.IntRange(0), default=2020, show_default=True)
@click.option("--target", default="stm32", show_default=True)
def demo(output: Path, seed: int, target: str) -> None:
    """Breast cancer detector, end to end: prune, compile, verify on an emulated Cortex-M4."""
    from cpcc import commands

    commands.demo(output, seed, target)


def main() -> None:
    """Entry point of the console script; every error becomes one line and its exit code."""
    sys.exit(_run())


def _run() -> int:
    try:
        cli.main(standalone_mode=False, prog_name="cpcc")
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("cpcc: interrupted", file=sys.stderr)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except CpccError as error:
        print(f"cpcc: error: {error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if os.environ.get("CPCC_TRACEBACK"):
            raise
        print(
            f"cpcc: internal error: {type(error).__name__}: {error} (this is a defect of cpcc; "
            "run again with CPCC_TRACEBACK=1 and report it)",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    main()
