"""`cpcc build`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from cpcc.cli.common import BYTES, PATH, command_line, write_json
from cpcc.errors import UsageError
from cpcc.files import check_writable


@click.command("build")
@click.argument("model", type=PATH)
@click.option("--target", default="stm32", show_default=True, help="See: cpcc targets.")
@click.option("--calibrate", type=PATH, default=None, help="Samples for the quantizer, .npz with x and, better, y.")
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
@click.option("--threshold-data", type=PATH, default=None, help="Unseen samples for the promised rate, .npz with x, y.")
@click.option("--threshold-table", is_flag=True, help="Ship the table of (threshold, FNR, FPR) with the library.")
@click.option("--self-test", is_flag=True, help="Compile in a check at boot: CRC of all constants, known answers.")
@click.option(
    "--input",
    "input_dtype",
    type=click.Choice(["int8", "int16", "float32", "uint8"]),
    default=None,
    help="What raw samples of a quantized model are.  [default: as the file has it]",
)
@click.option("-o", "--output", type=PATH, default=None, help="Folder.  [default: build/<name>]")
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
    type=BYTES,
    default=None,
    help="Of the whole image, such as 64k.  [default: the target's]",
)
@click.option("--ram", type=BYTES, default=None, help="Arena and stack.  [default: the target's]")
@click.option("--json", "json_path", type=PATH, default=None, help="Write the build's report here.")
@click.option(
    "--int16",
    default="auto",
    show_default=True,
    metavar="never|auto|all|LAYER,…",
    help="Layers with 16-bit activations; auto: where too little signal is left above the rounding noise.",
)
def command(
    model: Path, target: str, calibrate: Path | None, name: str | None, positive: int | None, important: tuple[int, ...],
    threshold: float | None, max_fnr: tuple[str, ...], max_fpr: tuple[str, ...], confidence: tuple[str, ...],
    threshold_data: Path | None, threshold_table: bool, self_test: bool, input_dtype: str | None, output: Path | None,
    calibration: str, regression: bool, decides: str | None, equalize: bool, correct_bias: bool, optimize: str,
    flash: int | None, ram: int | None, json_path: Path | None, int16: str,
) -> None:  # fmt: skip
    """Compile MODEL to a PlatformIO project with fixed-point C.

    MODEL is cpcc's own or a torch.export archive (.pt, .pt2), or an int8 .tflite model, which needs no calibration data, or an .onnx model;
    without --positive it builds without a decision: the result is the output tensor. The integer threshold misses no
    more calibration positives than the float model, or keeps the rate promised with --max-fnr or --max-fpr.
    """
    from cpcc import build_text, report
    from cpcc.build import build, input_names
    from cpcc.build_settings import BuildSettings, check_name, default_name
    from cpcc.data import load_dataset
    from cpcc.detector import Detector
    from cpcc.plan.objective import Objective
    from cpcc.proof.promise import promise_of
    from cpcc.quantize import QuantizerSettings
    from cpcc.targets import find_target

    check_writable(json_path)
    chosen = find_target(target)
    label = check_name(name or default_name(model))
    out = output or Path("build") / label
    promise = promise_of(max_fnr, max_fpr, confidence)
    if threshold_data and not promise:
        raise UsageError("--threshold-data: is used with --max-fnr or --max-fpr; give one of them")
    settings = BuildSettings(
        chosen, label, positive, threshold, input_dtype=input_dtype, regression=regression, output=decides,
        quantizer=QuantizerSettings(calibration, equalize, correct_bias, int16), promise=promise,
        threshold_table=threshold_table, self_test=self_test, important=important, objective=Objective(optimize),
        flash=flash, ram=ram,
    )  # fmt: skip
    inputs = input_names(model) if calibrate or threshold_data else ()
    samples = load_dataset(calibrate, need_labels=False, inputs=inputs) if calibrate else None
    unseen = load_dataset(threshold_data, inputs=inputs) if threshold_data else None
    result = build(model, settings, samples, out, command_line(), unseen)
    write_json(json_path, result.report.as_json())
    click.echo(build_text.summary(result.report))
    if isinstance(result.detector, Detector):
        for line in report.threshold_lines(result.detector.decisions):
            click.echo(line)
    for kept in result.kept_files:
        click.echo(f"kept {out / kept}: you edited it")
    click.echo(build_text.sparsity(result.report))
    click.echo(f"wrote {out}; next: cpcc verify {quote(str(out))} --data test.npz")
