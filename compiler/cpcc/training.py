"""Between the pruner, the model file and the proof: what `cpcc prune`, `export` and `verify` need of torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cpcc import __version__
from cpcc.data import Dataset, sample_hashes
from cpcc.detector import Detector
from cpcc.errors import UsageError, VerificationError
from cpcc.files import check_writable
from cpcc.folder import BuildFolder
from cpcc.frontends.torch_export import to_graph
from cpcc.models.exporting import export_module, export_network
from cpcc.models.model_file import load_model, save_model, save_program
from cpcc.models.model_meta import ModelMeta
from cpcc.models.torch_model import float_scores, scaled_inputs
from cpcc.nets import NETS, check_net, load_module, load_net
from cpcc.proof.verify import FloatScores
from cpcc.prune import ImportantClass
from cpcc.prune.api import PruneResult, PruneSettings, prune_network
from cpcc.prune.checks import check_device

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Run:
    """Where and how a pruning run lives: training device, whether to go on with a checkpoint, its folder (None: beside
    the output), whether the class-blind arm runs too."""

    device: str = "cpu"
    resume: bool = False
    folder: Path | None = None
    baseline: bool = True


def settings_from(**options: Any) -> PruneSettings:
    """Pruner settings from command-line options; None means the default."""
    known = {f.name for f in fields(PruneSettings)}
    assert options.keys() <= known, options.keys() - known
    return PruneSettings(**{name: value for name, value in options.items() if value is not None})


NAMED_NET_OUTPUTS = 1  # a detector's one logit, whatever the number of labels


def important_classes(words: Iterable[str]) -> tuple[ImportantClass, ...]:
    """Classes of `LABEL` or `LABEL=BUDGET`. Raises `UsageError`."""
    return tuple(_important_class(word) for word in words)


def _important_class(word: str) -> ImportantClass:
    label, _, budget = word.partition("=")
    try:
        return ImportantClass(int(label), fnr_budget=float(budget or 0))
    except ValueError:
        raise UsageError(f"--important {word}: give LABEL or LABEL=BUDGET, such as 3=0.02") from None


def prune_to_file(
    net: str, dataset: Dataset, settings: PruneSettings, path: Path, progress: bool, run: Run | None = None
) -> PruneResult:
    """Train, prune and write the model file `path`, whole or not at all. `run` keeps a checkpoint; without one there
    is none."""
    check_writable(path)  # before an hour of training rather than after it
    check_device(run.device if run else "cpu")
    shape = dataset.x.shape[1:]
    folder = (run.folder or path.with_suffix(".run")) if run else None
    try:
        result = prune_network(
            lambda: _compilable(load_net(net, shape, NAMED_NET_OUTPUTS), shape, net), dataset, settings, progress,
            device=run.device if run else "cpu", run_dir=folder, resume=bool(run and run.resume), baseline=run is None or run.baseline,
        )  # fmt: skip
    except VerificationError:  # the run is over: another one, with another budget, begins anew
        _remove_checkpoints(folder)
        raise
    save_result(result, dataset, path)
    _remove_checkpoints(folder)
    return result


def _compilable(net: nn.Module, shape: tuple[int, ...], place: str) -> nn.Module:
    """`net` itself, once the front end has taken it: before an hour of training rather than after it. Raises `ModelError`."""
    import torch

    check_net(net, shape, place)
    with torch.random.fork_rng(devices=[]):  # the weights that follow are those of a run without this check
        to_graph(export_module(net, shape), place)
    return net


def checkpoints(folder: Path | None) -> list[Path]:
    """What an interrupted run left in its `folder`, for `resume`."""
    return sorted(folder.glob("*.checkpoint")) if folder else []


def _remove_checkpoints(folder: Path | None) -> None:
    """The model file holds the result now; the metrics stay."""
    for path in checkpoints(folder):
        path.unlink()


def save_result(result: PruneResult, dataset: Dataset, path: Path) -> None:
    """The model file: pruned and dense network, scaling, threshold, calibration samples, hashes, trajectory."""
    assert dataset.y is not None
    calibration = result.splits.calibration
    labels = tuple(int(v) for v in dataset.y[calibration])
    outputs = check_net(result.pruned, dataset.x.shape[1:], "network")
    classes = tuple(range(outputs)) if outputs > 1 else tuple(int(v) for v in np.unique(dataset.y))
    stops = {"stopped": result.stopped} | ({"baseline_stopped": result.baseline.stopped} if result.baseline else {})
    meta = ModelMeta(
        name=path.stem, positive=result.positive, classes=classes,
        threshold=result.threshold, dense_threshold=result.dense_threshold, input_dtype=dataset.x.dtype.name,
        scaling_mean=tuple(float(v) for v in result.scaling.mean),
        scaling_std=tuple(float(v) for v in result.scaling.std),
        train_hashes=tuple(sample_hashes(dataset.x[result.splits.train]) + sample_hashes(dataset.x[result.splits.validation])),
        calibration_hashes=tuple(sample_hashes(dataset.x[calibration])), calibration_labels=labels,
        history=[iteration.as_json() for iteration in result.history],
        settings={**asdict(result.settings), **stops}, cpcc_version=__version__, more_positive=tuple(result.more_thresholds),
        calibration_groups=() if dataset.group is None else tuple(int(v) for v in dataset.group[calibration]),
        more_thresholds=tuple(result.more_thresholds.values()),
        more_dense_thresholds=tuple(result.more_dense_thresholds.values()),
    )  # fmt: skip
    save_model(path, result.pruned, result.dense, dataset.x.shape[1:], meta, dataset.x[calibration])


def export_to_file(net: str, weights: Path, shapes: Sequence[tuple[int, ...]], path: Path) -> None:
    """A model file from a module and its state_dict, for inputs of these `shapes`: no scaling, no calibration samples."""
    check_writable(path)  # before an hour of training rather than after it
    module = load_net(net, shapes[0], NAMED_NET_OUTPUTS) if net in NETS else load_module(net)
    save_program(path, export_network(module, weights, *shapes))


def float_scores_of(build: BuildFolder, x: np.ndarray) -> tuple[FloatScores, ...]:
    """Per decision the scores (n,) of the float networks kept in the build folder, on raw samples `x`, by torch."""
    model = load_model(build.model_path)
    assert isinstance(build.detector, Detector), "a torch model always has a decision"
    decisions, meta = build.detector.decisions, model.meta
    scaled = scaled_inputs(model, x)
    pruned = float_scores(model.program, decisions, scaled)
    dense = None if model.dense is None else float_scores(model.dense, decisions, scaled)
    return tuple(
        FloatScores(
            pruned[:, i], decision.float_threshold, None if dense is None else dense[:, i],
            meta.threshold_of(decision.positive, dense=True),
        )
        for i, decision in enumerate(decisions)
    )  # fmt: skip
