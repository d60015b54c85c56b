"""What the user asks of a build, checked before anything is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from cpcc.errors import ModelError, UsageError
from cpcc.fit import Wish
from cpcc.ops.base import Kernel
from cpcc.plan.kernels import Policy, any_kernel, constants_only
from cpcc.plan.objective import Objective, limits_of
from cpcc.proof.promise import Promise
from cpcc.quantize import QuantizerSettings
from cpcc.targets import Target

MOST_CLASSES = 32  # important ones: an alarm is a bit of a word


@dataclass(frozen=True)
class BuildSettings:
    """Options of `cpcc build`. `positive`, with it further `important` classes, and `threshold` (a probability) override
    the model file's own; `promise` holds the promised rates, None for the default (no more misses than the float model
    on the calibration samples);
    `threshold_table` ships the operating points, `self_test` a check of the constants and known answers at boot.
    `input_dtype` is what raw samples of a quantized model are, None for the file's own choice; a `regression` is built
    without a decision; `output`, a name or number, is which of several outputs decides. `objective` is what the planner makes least,
    under bytes of `flash` and `ram`: None for the target's."""

    target: Target
    name: str
    positive: int | None = None
    threshold: float | None = None
    policy: Policy = any_kernel
    input_dtype: str | None = None
    regression: bool = False
    output: str | None = None
    quantizer: QuantizerSettings = field(default_factory=QuantizerSettings)
    promise: Promise | None = None
    threshold_table: bool = False
    self_test: bool = False
    objective: Objective = Objective.SPEED
    flash: int | None = None
    ram: int | None = None
    important: tuple[int, ...] = ()

    @property
    def wish(self) -> Wish:
        """What the planner is asked for. Raises `UsageError` for a budget beyond the target's."""
        limits = limits_of(self.target, self.flash, self.ram)
        return Wish(self.name, self.target, limits, self.objective, self._checked if self.self_test else self.policy)

    def _checked(self, kernel: Kernel) -> bool:
        return self.policy(kernel) and constants_only(kernel)

    def __post_init__(self) -> None:
        if self.promise is not None and self.threshold is not None:
            kind = self.promise.levels[0].kind
            raise UsageError(f"--threshold and --{kind} both choose the threshold; give one of them")
        if self.important and self.positive is None:
            raise UsageError("--important: names further classes beside --positive; give the first one with --positive")
        labels = self.labels
        if len(set(labels)) < len(labels) or len(labels) > MOST_CLASSES:
            raise UsageError(f"important classes {labels}: give each label once, {MOST_CLASSES} labels at most")

    @property
    def labels(self) -> tuple[int, ...]:
        """The important classes that the user named; empty for the model file's own."""
        return () if self.positive is None else (self.positive, *self.important)


def default_name(model: Path) -> str:
    """The build's name from the model file's: `my-net.pt` gives `my-net`. Raises `ModelError` for a folder."""
    if model.is_dir():
        raise ModelError(f"{model}: is a folder; give a model file")
    return model.stem


def check_name(name: str) -> str:
    """`name` itself. Raises `UsageError` where it cannot be a folder's and a C prefix's source."""
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}", name):
        raise UsageError(
            f"name {name!r}: use 1 to 64 letters, digits, '-', '_' or '.', beginning with a letter or digit (--name)"
        )
    return name


def suffix_of(path: Path) -> str:
    """``.tflite``, ``.onnx``, or ``.pt`` for everything else: what a model file's name says that it is."""
    suffix = path.suffix.lower()
    return suffix if suffix in (".tflite", ".onnx") else ".pt"


def refuse_quantizer(path: Path, settings: BuildSettings) -> None:
    """Raises `UsageError` where options of the quantizer are given for a model that is quantized already."""
    if settings.quantizer != QuantizerSettings():
        raise UsageError(
            f"--calibration, --equalize, --correct-bias, --int16: {path} is quantized already; leave them out"
        )


def refuse_input_dtype(path: Path, settings: BuildSettings) -> None:
    """Raises `UsageError` where ``--input`` is given for a float model."""
    if settings.input_dtype is not None:
        raise UsageError(f"--input: is for models that are quantized already; {path} takes what it was trained with")
