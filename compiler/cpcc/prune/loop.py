"""The loop: train, keep the best epoch, prune the smallest scores, rewind, again."""

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cpcc.metrics import Evaluation, auc, choose_threshold, evaluate, scores_from_logits
from cpcc.prune import masks as masking
from cpcc.prune.losses import Loss
from cpcc.prune.progress import Watch
from cpcc.prune.schedule import geometric
from cpcc.prune.scores import SCORES
from cpcc.prune.settings import PruneSettings

COLLAPSED_AUC = 0.6
_EVALUATION_BATCH = 1024

State = dict[str, Tensor]


@dataclass(frozen=True)
class Side:
    """One side of the split: x (n, ...) scaled float32, labels (n,) int64."""

    x: Tensor
    labels: Tensor


Sides = Mapping[str, Side]


@dataclass(frozen=True)
class Iteration:
    """What one round of training gave. Counts are per split side ("train", "validation", "calibration"):
    `at_zero` at score 0 (probability one half, the paper's measure), `at_threshold` at `threshold`, chosen
    on validation samples."""

    arm: str
    index: int
    remaining: float
    epochs: int
    best_epoch: int
    threshold: float
    at_zero: dict[str, Evaluation]
    at_threshold: dict[str, Evaluation]
    collapsed: bool

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries, numbers and strings."""
        return asdict(self)


@dataclass(frozen=True)
class Trained:
    """Result of `train`. states: "best" by validation AUC, "early" after the rewinding epoch (or init)."""

    epochs: int
    best_epoch: int
    states: dict[str, State]
    diverged: bool


@dataclass(frozen=True)
class ArmResult:
    """One arm: the dense network of iteration 0, the sparsest good one, all iterations, why it stopped.

    `stopped` is empty when the wanted sparsity was reached; `good` tells whether any iteration was good.
    """

    dense: nn.Module
    pruned: nn.Module
    iterations: tuple[Iteration, ...]
    stopped: str

    @property
    def good(self) -> list[Iteration]:
        """Iterations that did not collapse; `pruned` is the last of them."""
        return [iteration for iteration in self.iterations if not iteration.collapsed]


def logits_of(net: nn.Module, x: Tensor) -> Tensor:
    """Logits (n, ...) in eval mode, in batches that bound the memory."""
    net.eval()
    with torch.no_grad():
        return torch.cat([net(batch) for batch in x.split(_EVALUATION_BATCH)])


def scores_of(logits: Tensor, positive: int) -> np.ndarray:
    """Scores (n,) float64 of the important class."""
    return scores_from_logits(logits.numpy().astype(np.float64), positive)


class Arm:
    """One network on its way down; `run` does it all."""

    def __init__(
        self, name: str, template: nn.Module, sides: Sides, loss: Loss, settings: PruneSettings, watch: Watch
    ) -> None:
        self.name = name
        self.template = template
        self.net = copy.deepcopy(template)
        self.slots = masking.attach(self.net, sides["train"].x[:1])
        self.initial = _snapshot(self.net)
        self.sides = sides
        self.loss = loss
        self.settings = settings
        self.watch = watch
        self.shuffler = torch.Generator().manual_seed(settings.seed)
        self.iterations: list[Iteration] = []
        self.epochs_done = 0

    def run(self) -> ArmResult:
        """Train and prune until the wanted fraction, a collapse or a divergence."""
        fractions = geometric(self.settings.keep, self.settings.step)
        self.watch.arm(self.name, self._most_epochs(len(fractions)))
        good = early = self.initial
        dense: nn.Module | None = None
        stopped = ""
        for index, fraction in enumerate(fractions):
            if index:
                self._prune(fraction, good, early)
            trained = self._train(self.settings.epochs_later if index else self.settings.epochs)
            if not trained.diverged:
                self._record(index, trained)
            stopped = self._stop_word(index, trained.diverged)
            if stopped:
                break
            good = trained.states["best"]
            if not index:
                early = trained.states["early"]
                dense = self._plain(good)
        pruned = self._plain(good)
        return ArmResult(dense or pruned, pruned, tuple(self.iterations), stopped)

    def _most_epochs(self, iterations: int) -> int:
        return self.settings.epochs + (iterations - 1) * self.settings.epochs_later

    def _prune(self, fraction: float, good: State, early: State) -> None:
        """Score the weights of `good`, tighten the masks, rewind the survivors."""
        score = SCORES[self.settings.score]
        keys = {slot.key: f"{slot.key}_orig" for slot in self.slots}
        scores = {key: score(good[orig], self.initial[orig]) for key, orig in keys.items()}
        old = {key: good[f"{key}_mask"].bool() for key in keys}
        new = masking.tighten(scores, old, fraction, self.settings.scope, self.settings.floor)
        self.net.load_state_dict(good if self.settings.rewind == "lr" else early)
        masking.set_masks(self.slots, new)

    def _train(self, epochs: int) -> Trained:
        first = not self.iterations
        early_epoch = (self.settings.rewind_epoch or 0) if first else 0
        optimizer = _optimizer(self.net, self.settings)
        states = {"best": _snapshot(self.net), "early": _snapshot(self.net)}
        best, best_epoch, epoch = (-math.inf, -math.inf), 0, 0
        for epoch in range(1, epochs + 1):
            _set_rate(optimizer, self.settings.lr, (epoch - 1) / epochs)
            loss = self._epoch(optimizer)
            quality = self._quality(epoch, loss)
            if quality is None:
                return Trained(epoch, best_epoch, states, diverged=True)
            if epoch == early_epoch:
                states["early"] = _snapshot(self.net)
            if quality > best:
                best, best_epoch, states["best"] = quality, epoch, _snapshot(self.net)
            if epoch - best_epoch >= self.settings.patience and epoch >= early_epoch:
                break
        self.epochs_done += epochs
        return Trained(epoch, best_epoch, states, diverged=False)

    def _epoch(self, optimizer: torch.optim.Optimizer) -> float:
        """One pass over the training samples in random order; the mean loss."""
        side = self.sides["train"]
        order = torch.randperm(len(side.labels), generator=self.shuffler)
        # Even batches: a last batch of one sample would stop batch norm.
        batches = order.tensor_split(math.ceil(len(order) / self.settings.batch_size))
        self.net.train()
        total = 0.0
        for rows in batches:
            optimizer.zero_grad()
            loss = self.loss(self.net(side.x[rows]), side.labels[rows])
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        return total / len(order)

    def _quality(self, epoch: int, loss: float) -> tuple[float, float] | None:
        """(validation AUC, minus validation loss), to be maximised; None when the training diverged.

        The AUC is rounded to a quarter of one positive sample, and the loss breaks ties: on easy data the AUC
        comes near 1 by chance in the first epochs, with scores so close together that no threshold holds.
        """
        side = self.sides["validation"]
        logits = logits_of(self.net, side.x)
        scores, y = scores_of(logits, self.settings.positive), self._important(side)
        if not math.isfinite(loss) or not np.isfinite(scores).all():
            return None
        held_out = float(self.loss(logits, side.labels))
        misses = int((scores[y] < 0).sum())
        left = masking.remaining(masking.get_masks(self.slots))
        self.watch.epoch(self.epochs_done + epoch, loss, misses, left)
        steps = 4 * max(int(y.sum()), 1)
        return round((auc(y, scores) or 0.0) * steps) / steps, -held_out

    def _judged(self, side: Side) -> tuple[np.ndarray, np.ndarray]:
        """Truth (n,) bool and score (n,) of one side."""
        return self._important(side), scores_of(logits_of(self.net, side.x), self.settings.positive)

    def _important(self, side: Side) -> np.ndarray:
        return (side.labels == self.settings.positive).numpy()

    def _record(self, index: int, trained: Trained) -> None:
        """Evaluate the best epoch on every side."""
        self.net.load_state_dict(trained.states["best"])
        judged = {name: self._judged(side) for name, side in self.sides.items()}
        threshold = choose_threshold(*judged["validation"], self.settings.fn_cost)
        at_zero, at_threshold = (
            {name: evaluate(y, scores, value) for name, (y, scores) in judged.items()} for value in (0.0, threshold)
        )
        self.iterations.append(
            Iteration(
                arm=self.name,
                index=index,
                remaining=masking.remaining(masking.get_masks(self.slots)),
                epochs=trained.epochs,
                best_epoch=trained.best_epoch,
                threshold=threshold,
                at_zero=at_zero,
                at_threshold=at_threshold,
                collapsed=(at_zero["validation"].auc or 0.0) < COLLAPSED_AUC,
            )
        )

    def _stop_word(self, index: int, diverged: bool) -> str:
        """Why the arm stops after this iteration; empty to go on."""
        kept = [iteration for iteration in self.iterations if not iteration.collapsed]
        rest = f"kept iteration {kept[-1].index} with {kept[-1].remaining:.1%} of the weights" if kept else ""
        if diverged:
            return f"diverged in iteration {index} (loss is not finite): {rest or 'none kept'}; lower lr"
        last = self.iterations[-1]
        if not last.collapsed:
            return ""
        figure = last.at_zero["validation"].auc or 0.0
        place = f"collapsed in iteration {index} at {last.remaining:.1%} of the weights"
        return f"{place} (validation AUC {figure:.2f}): {rest or 'none kept'}; raise keep or floor"

    def _plain(self, state: State) -> nn.Module:
        """A network of the template's structure with the masks of `state` made permanent."""
        net = copy.deepcopy(self.template)
        found = masking.attach(net, self.sides["train"].x[:1])
        net.load_state_dict(state)
        return masking.finalize(net, found)


def _snapshot(net: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def _optimizer(net: nn.Module, settings: PruneSettings) -> torch.optim.Optimizer:
    """A new optimiser: moments of an earlier iteration would move pruned weights."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=settings.lr, momentum=0.9)
    return torch.optim.Adam(parameters, lr=settings.lr)


def _set_rate(optimizer: torch.optim.Optimizer, lr: float, done: float) -> None:
    """Half a cosine from `lr` to 0 as `done` goes from 0 to 1."""
    for group in optimizer.param_groups:
        group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * done))
