"""Prune a network for its important class, with a class-blind baseline in the same run where it is wanted."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cpcc.data import Dataset, Indices, Scaling, Splits, split
from cpcc.errors import DataError, ModelError, VerificationError
from cpcc.nets import check_net
from cpcc.prune.baselines import class_blind
from cpcc.prune.batches import TensorBatches, Whole
from cpcc.prune.evaluation import Iteration, answers_of
from cpcc.prune.progress import Watch
from cpcc.prune.pruner import COLLAPSED_AUC, ArmResult, ClassDependentPruner
from cpcc.prune.settings import PruneSettings
from cpcc.prune.trainer import Batches

CLASS_DEPENDENT = "class-dependent"
CLASS_BLIND = "class-blind"


@dataclass(frozen=True)
class Baseline:
    """The class-blind arm's sparsest good network, its threshold (0 where it never learnt), and why it ended early, else empty."""

    pruned: nn.Module
    threshold: float
    stopped: str


@dataclass(frozen=True)
class PruneResult:
    """Networks in eval mode, without parametrisations, pruned weights exactly 0.

    dense: iteration 0 of the class-dependent arm; pruned: its sparsest good iteration; baseline: the
    class-blind arm's, where it ran. Each has a float threshold on its score (see metrics.scores_from_logits), chosen on
    validation samples; `more_` hold those of further important classes by label. history: the iterations of the arms that ran;
    stopped: empty, or why the class-dependent arm ended before `settings.keep`.
    """

    dense: nn.Module
    pruned: nn.Module
    baseline: Baseline | None
    scaling: Scaling
    splits: Splits
    threshold: float
    dense_threshold: float
    positive: int
    history: tuple[Iteration, ...]
    stopped: str
    settings: PruneSettings
    more_thresholds: dict[int, float] = field(default_factory=dict)
    more_dense_thresholds: dict[int, float] = field(default_factory=dict)

    def history_json(self) -> dict[str, Any]:
        """Settings, iterations and stop words as plain dictionaries, numbers and strings."""
        return {
            "settings": asdict(self.settings),
            "iterations": [iteration.as_json() for iteration in self.history],
            "stopped": self.stops(),
        }

    def stops(self) -> dict[str, str]:
        """Of each arm that ran: why it ended early, else empty."""
        blind = {CLASS_BLIND: self.baseline.stopped} if self.baseline else {}
        return {CLASS_DEPENDENT: self.stopped, **blind}


def prune_network(
    net_factory: Callable[[], nn.Module],
    dataset: Dataset,
    settings: PruneSettings,
    progress: bool = False,
    *,
    device: str = "cpu",
    run_dir: Path | None = None,
    resume: bool = False,
    baseline: bool = True,
) -> PruneResult:
    """Split, scale, train and prune; the same seed gives the same result on a CPU.

    The factory is called once, seeded; both arms start from copies of its network, which takes scaled
    float32 (n, *x.shape[1:]) and returns logits. One logit: trained as `positive` against the rest; k >= 2:
    labels are 0..k-1. Torch's global random state is left as it was. `run_dir`, `resume`: see
    `ClassDependentPruner`. `baseline`: whether the class-blind arm runs too, which takes about as long again.
    DataError for data that cannot be split or does not fit the outputs; ModelError for a network that
    cannot be pruned or that does not learn; VerificationError for a budget of misses that no pruned network holds.
    """
    splits = split(dataset, settings.seed, settings.positive)
    scaling = Scaling.fit(dataset.x[splits.train])
    with torch.random.fork_rng(devices=[]), _threads(dataset):
        torch.manual_seed(settings.seed)
        template = copy.deepcopy(net_factory())
        outputs = check_net(template, dataset.x.shape[1:], "network")
        _check_labels(dataset.labels(), outputs, settings)
        sides = _sides(dataset, scaling, splits, settings.batch_size, device)
        with Watch(progress) as watch:

            def run(name: str, chosen: PruneSettings) -> ArmResult:
                more = {"train": sides["whole train"], "calibration": sides["calibration"]}
                return ClassDependentPruner(
                    template, sides["train"], sides["validation"], chosen, name=name, sides=more, device=device,
                    run_dir=run_dir, resume=resume, watch=watch,
                ).run()  # fmt: skip

            ours = run(CLASS_DEPENDENT, settings)
            _check_learnt(ours)
            _check_budget(ours, settings)
            blind = run(CLASS_BLIND, class_blind(settings)) if baseline else None
    return _result(ours, blind, scaling, splits, settings)


@contextmanager
def _threads(dataset: Dataset) -> Iterator[None]:
    """One torch thread for plain feature vectors: their layers are so small that more only wait (measured
    3 s against 29 s on two busy cores), and the result no longer depends on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if dataset.x.ndim == 2 else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _sides(dataset: Dataset, scaling: Scaling, splits: Splits, batch_size: int, device: str) -> dict[str, Batches]:
    """Batches of every side on `device`; "train" in random order, "whole train" the same samples in a fixed one."""
    labels = dataset.labels()
    tensors = {
        name: (torch.from_numpy(scaling.apply(dataset.x[rows])).to(device), torch.from_numpy(labels[rows]).to(device))
        for name, rows in splits.sides().items()
    }
    sides: dict[str, Batches] = {name: Whole(*pair) for name, pair in tensors.items()}
    return {**sides, "whole train": sides["train"], "train": TensorBatches(*tensors["train"], batch_size)}


def _check_labels(labels: Indices, outputs: int, settings: PruneSettings) -> None:
    """Several logits need class indices as labels; one logit takes any labels."""
    if outputs == 1:
        if settings.more_classes:
            raise DataError("data: several important classes need a network with an output per class; this one has 1")
        return
    if labels.min() < 0 or labels.max() >= outputs:
        span = f"{labels.min()}..{labels.max()}"
        raise DataError(f"data: labels {span}, the network has {outputs} outputs; needed: 0..{outputs - 1}")
    for label in (settings.positive, *(each.label for each in settings.more_classes)):
        if label >= outputs:
            raise DataError(f"data: important class {label}; the network knows 0..{outputs - 1}")


def _check_learnt(arm: ArmResult) -> None:
    if arm.good:
        return
    if not arm.iterations:
        raise ModelError(f"training {arm.stopped}")
    figure = arm.iterations[0].at_zero["validation"].auc or 0.0
    limit = f"validation AUC {figure:.2f}, needed {COLLAPSED_AUC}"
    raise ModelError(f"dense network: did not learn the important class ({limit}); try more epochs")


def _check_budget(arm: ArmResult, settings: PruneSettings) -> None:
    """In the constrained mode some pruned network must hold the budget. `VerificationError` names the best."""
    tried = arm.iterations[1:]
    if not settings.constrained or not tried or any(each.within_budget and not each.collapsed for each in tried):
        return
    best = min(tried, key=lambda each: each.at_threshold["validation"].fpr or 0.0)
    found, dense = best.at_threshold["validation"], arm.iterations[0].at_threshold["validation"]
    raise VerificationError(
        f"budget: no pruned network holds it; best: iteration {best.index} with {best.remaining:.1%} of the weights, "
        f"FN {found.fn} (dense {dense.fn}) at a false-positive rate of {found.fpr or 0.0:.3f} "
        f"(dense {dense.fpr or 0.0:.3f}, allowed increase {settings.max_fpr_increase}); "
        "allow more with --max-fpr-increase or the budget, or keep more weights"
    )


def _threshold(iterations: list[Iteration]) -> float:
    """Threshold of the last iteration; 0 for a baseline that never learnt."""
    return iterations[-1].threshold if iterations else 0.0


def _result(
    ours: ArmResult, blind: ArmResult | None, scaling: Scaling, splits: Splits, settings: PruneSettings
) -> PruneResult:
    return PruneResult(
        dense=ours.dense,
        pruned=ours.pruned,
        baseline=Baseline(blind.pruned, _threshold(blind.good), blind.stopped) if blind else None,
        scaling=scaling,
        splits=splits,
        threshold=_threshold(ours.good),
        dense_threshold=ours.iterations[0].threshold,
        positive=settings.positive,
        history=ours.iterations + (blind.iterations if blind else ()),
        stopped=ours.stopped,
        settings=settings,
        more_thresholds=_more_thresholds(ours.good[-1]),
        more_dense_thresholds=_more_thresholds(ours.iterations[0]),
    )


def _more_thresholds(iteration: Iteration) -> dict[int, float]:
    """Float thresholds of the further important classes."""
    return {int(label): float(found["threshold"]) for label, found in iteration.more.items()}


def scores(net: nn.Module, scaling: Scaling, x: np.ndarray, positive: int) -> np.ndarray:
    """Scores (n,) of unscaled samples, for a PruneResult's networks."""
    samples = torch.from_numpy(scaling.apply(x))
    whole = Whole(samples, torch.zeros(len(samples), dtype=torch.int64))
    return answers_of(net, whole, torch.device("cpu")).scores(positive)
