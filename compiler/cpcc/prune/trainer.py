"""One round of training at fixed masks: epochs, the best of them, when to stop. Resumable after every epoch."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cpcc.prune.evaluation import Answers, answers_of, quality
from cpcc.prune.losses import Distillation, Loss
from cpcc.prune.settings import PruneSettings

Batches = Iterable[tuple[Tensor, Tensor]]
State = dict[str, Tensor]
AfterEpoch = Callable[["TrainingState", float, Answers], None]


@dataclass(frozen=True)
class Objective:
    """What is minimised: `loss`, and `weight` times the distance to a teacher's scores where there is a teacher."""

    loss: Loss
    distillation: Distillation
    weight: float = 0.0
    teacher: nn.Module | None = None

    def __call__(self, net: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
        logits = net(x)
        loss = self.loss(logits, labels)
        if self.teacher is None:
            return loss
        with torch.no_grad():
            wanted = self.teacher(x)
        return loss + self.weight * self.distillation(logits, wanted, labels)


@dataclass
class TrainingState:
    """Where a round stands. `best` and `early` are weights: of the best epoch by validation, and of the rewinding
    epoch (those at the start until it comes); `optimizer` is its state_dict."""

    epoch: int
    best: State
    early: State
    optimizer: dict[str, Any]
    best_quality: tuple[float, float] = (-math.inf, -math.inf)
    best_epoch: int = 0
    diverged: bool = False
    over: bool = False

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "TrainingState":
        return TrainingState(**{**values, "best_quality": tuple(values["best_quality"])})


@dataclass
class Trainer:
    """Trains `net` in place on `device`. `base` is the loss that held-out quality is measured with."""

    net: nn.Module
    train: Batches
    validation: Batches
    base: Loss
    settings: PruneSettings
    device: torch.device
    rate: float = 1.0  # of the settings' learning rate
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def start(self) -> TrainingState:
        """A round that has not begun."""
        state = snapshot(self.net)
        return TrainingState(0, best=state, early=state, optimizer=make_optimizer(self.net, self.settings).state_dict())

    def run(self, state: TrainingState, index: int, objective: Objective, after: AfterEpoch) -> TrainingState:
        """Epochs from `state` on until the last, patience or divergence; calls `after` behind every epoch."""
        epochs = self.settings.epochs_later if index else self.settings.epochs
        early_epoch = 0 if index else self.settings.rewind_epoch or 0
        optimizer = make_optimizer(self.net, self.settings)
        optimizer.load_state_dict(state.optimizer)
        while not state.over:
            state.epoch += 1
            _set_rate(optimizer, self.rate * self.settings.lr, (state.epoch - 1) / epochs)
            seed_epoch(self.settings.seed, index, state.epoch, self.train)
            loss = self._epoch(optimizer, objective)
            answers = self._validate()
            self._judge(state, loss, answers, early_epoch)
            waited = state.epoch - state.best_epoch >= self.settings.patience and state.epoch >= early_epoch
            state.over = state.diverged or state.epoch >= epochs or waited
            state.optimizer = optimizer.state_dict()
            after(state, loss, answers)
        return state

    def _epoch(self, optimizer: torch.optim.Optimizer, objective: Objective) -> float:
        """One pass over the training batches; the mean loss per sample."""
        start = time.perf_counter()
        self.net.train()
        total, samples = torch.zeros((), device=self.device), 0
        for x, labels in self.train:
            x, labels = x.to(self.device), labels.to(self.device)
            optimizer.zero_grad()
            loss = objective(self.net, x, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), self.settings.clip)
            optimizer.step()
            total += loss.detach() * len(labels)  # no float() here: it would wait for the GPU at every step
            samples += len(labels)
        mean = float(total) / max(samples, 1)
        self.seconds["train"] += time.perf_counter() - start
        return mean

    def _validate(self) -> Answers:
        start = time.perf_counter()
        answers = answers_of(self.net, self.validation, self.device)
        self.seconds["validate"] += time.perf_counter() - start
        return answers

    def _judge(self, state: TrainingState, loss: float, answers: Answers, early_epoch: int) -> None:
        """Keep the weights of a better epoch and of the rewinding one."""
        if not math.isfinite(loss) or not answers.finite():
            state.diverged = True
            return
        if state.epoch == early_epoch:
            state.early = snapshot(self.net)
        held_out = float(self.base(torch.from_numpy(answers.logits), torch.from_numpy(answers.labels)))
        found = quality(answers, self.settings.positive, held_out)
        if found > state.best_quality:
            state.best_quality, state.best_epoch, state.best = found, state.epoch, snapshot(self.net)


def snapshot(net: nn.Module) -> State:
    """A copy of the state_dict."""
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def make_optimizer(net: nn.Module, settings: PruneSettings) -> torch.optim.Optimizer:
    """A new optimiser: moments of an earlier iteration would move pruned weights."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=settings.lr, momentum=0.9)
    return torch.optim.Adam(parameters, lr=settings.lr)


def seed_epoch(seed: int, index: int, epoch: int, batches: Batches) -> None:
    """Seed torch, and the loader's own generators where it has some, from the place in the run.

    Every epoch begins with a seed of its own, so that a run which resumes after any epoch draws the numbers that an
    uninterrupted one draws; both arms of a comparison draw the same."""
    number = int(np.random.SeedSequence([seed, index, epoch]).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(number)
    for owner in (batches, getattr(batches, "sampler", None), getattr(batches, "batch_sampler", None)):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(number)


def _set_rate(optimizer: torch.optim.Optimizer, lr: float, done: float) -> None:
    """Half a cosine from `lr` to 0 as `done` goes from 0 to 1."""
    for group in optimizer.param_groups:
        group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * done))
