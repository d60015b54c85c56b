"""Class-dependent pruning around any network and any loader: train, keep the best epoch, prune, rewind, again.

    pruner = ClassDependentPruner(net, train_loader, validation_loader, PruneSettings(positive=1, keep=0.1))
    result = pruner.run()
    result.pruned          # nn.Module in eval mode, pruned weights exactly 0
    result.iterations      # the trajectory: remaining weights, FN, FP, AUC of every iteration

After R. Entezari and O. Saukh, "Class-dependent Compression of Deep Neural Networks" (arXiv 1909.10364), section 3.
"""

import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from cpcc.errors import UsageError
from cpcc.prune import masks as masking
from cpcc.prune.baselines import make_loss
from cpcc.prune.budget import Unconstrained, budget_of
from cpcc.prune.checkpoint import CheckpointFile, fingerprint_of
from cpcc.prune.checks import check_device, check_logits, check_single, check_trainable
from cpcc.prune.counts import count, first_sample
from cpcc.prune.equipment import Equipment, equip
from cpcc.prune.evaluation import Answers, Iteration, answers_of, evaluations, more_classes
from cpcc.prune.journal import Journal
from cpcc.prune.losses import ConstrainedLoss, Distillation, ImportantLoss
from cpcc.prune.progress import Watch
from cpcc.prune.run_state import ArmResult, RunState, stop_word
from cpcc.prune.schedule import Round
from cpcc.prune.scores import SCORES, Subject
from cpcc.prune.settings import PruneSettings
from cpcc.prune.structures import STRUCTURES
from cpcc.prune.trainer import Batches, Objective, State, Trainer, TrainingState, seed_epoch, snapshot

COLLAPSED_AUC = 0.6
CHECKPOINT_SECONDS = 5.0


class ClassDependentPruner:
    """One network on its way down; `run` does it all.

    net takes (n, ...) float32 and returns logits (n,), (n, 1) or (n, k); it is copied, not changed.
    train, validation: anything that can be iterated again and again for (x, labels (n,) int64), such as a DataLoader
    or `TensorBatches`; `train` in another order each time, drawn from torch's generators. sides: more data to
    evaluate every iteration on, by name, never used for a choice.
    run_dir: folder of checkpoint and metrics, kept after the run; with `resume` a checkpoint found there is continued,
    on a CPU to bit-equal results. device: where to train. on_iteration: called after every iteration with its figures
    and the network's logits on every side.
    Raises DataError for batches of another kind, data without a sample of an important class or a damaged checkpoint,
    ModelError for a network without prunable layers or without logits, UsageError for a checkpoint of another run or a
    device that is not there. All batches are read once for that, before training.
    """

    def __init__(
        self,
        net: nn.Module,
        train: Batches,
        validation: Batches,
        settings: PruneSettings | None = None,
        *,
        name: str = "pruner",
        sides: Mapping[str, Batches] | None = None,
        device: str | torch.device = "cpu",
        run_dir: str | Path | None = None,
        resume: bool = False,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        on_iteration: Callable[[Iteration, Mapping[str, Answers]], None] | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.name = name
        self.on_iteration = on_iteration
        self.settings = settings or PruneSettings()
        self.device = check_device(device)
        check_trainable(net)
        self.template = copy.deepcopy(net).cpu()
        self.net = copy.deepcopy(self.template)
        self.example = first_sample(train)
        outputs = check_logits(copy.deepcopy(self.template), self.example)
        make_structure = STRUCTURES[self.settings.structure]
        self.structure = make_structure(self.template, self.example, self.settings.prune_biases)
        self.equipment = self._equip(self.net)
        self.slots = self.equipment.slots
        self.net.to(self.device)
        self.initial = snapshot(self.net)
        self.initial_values = {slot.key: slot.value.clone() for slot in self.slots}
        self.sides: dict[str, Batches] = {"train": train, "validation": validation, **(sides or {})}
        side = count(train, validation, self._labels(), outputs)
        if side.smallest == 1:
            check_single(self.template, self.example)
        self.loss = make_loss(self.settings, side.counts)
        self.trainer = Trainer(self.net, train, validation, self.loss, self.settings, self.device)
        self.watch = watch or Watch(False)
        self.checkpoint_seconds = checkpoint_seconds
        folder = None if run_dir is None else Path(run_dir)
        self.checkpoint = self._checkpoint_file(folder)
        self.journal = Journal(folder, name) if folder else None
        self.state = self._begin(resume)
        self.saved = time.perf_counter()

    def run(self) -> ArmResult:
        """Train and prune until the wanted fraction, a collapse or a divergence. Torch's global random state is
        left as it was."""
        devices = [self.device] if self.device.type == "cuda" else []
        rounds = self.settings.rounds
        self.watch.arm(self.name, self._most_epochs(len(rounds)))
        with torch.random.fork_rng(devices=devices):
            while not self.state.finished:
                self._iteration(rounds)
        return self._result()

    # --- one iteration -------------------------------------------------------------------------------------

    def _iteration(self, rounds: list[Round]) -> None:
        state, stage = self.state, rounds[self.state.index]
        self.equipment.enter(stage)
        if state.training is None:
            seed_epoch(self.settings.seed, state.index, 0, self.trainer.train)
            if stage.prunes:
                self._timed("prune", lambda: self._prune(stage.fraction))
            elif state.index:
                self.net.load_state_dict(state.good)
            state.training = self.trainer.start()
        self.trainer.rate = stage.rate
        trained = self.trainer.run(state.training, state.index, self._objective(), self._after_epoch)
        self.equipment.leave_int8()
        if not trained.diverged:
            self._record(trained)
        self._advance(trained, last=len(rounds) - 1)
        if self.journal:
            self.journal.write(state.iterations)
        self._save()

    def _advance(self, trained: TrainingState, last: int) -> None:
        """Take the round's weights over, and stop or go on."""
        state = self.state
        state.stopped = stop_word(state, trained.diverged)
        if not state.stopped:
            state.good = trained.best
            if not state.index:
                state.early, state.dense = trained.early, trained.best
            if state.iterations[-1].within_budget:
                state.chosen = trained.best
        state.finished = bool(state.stopped) or state.index == last
        state.epochs_done += self.settings.epochs_later if state.index else self.settings.epochs
        state.index, state.training, state.net = state.index + 1, None, None

    def _prune(self, fraction: float) -> None:
        """Score the weights of the last good epoch, tighten the masks, rewind the survivors."""
        state, score = self.state, SCORES[self.settings.score]
        old = {slot.key: state.good[f"{slot.key}_mask"].bool() for slot in self.slots}
        self.net.load_state_dict(self.initial if score.at_init else state.good)
        masking.set_masks(self.slots, old)
        scores = score.compute(self._subject())
        new = self.structure.tighten(scores, old, fraction, self.settings.scope, self.settings.floor)
        self.net.load_state_dict(state.good if self.settings.rewind == "lr" else state.early)
        masking.set_masks(self.slots, new)

    def _subject(self) -> Subject:
        batches = ((x.to(self.device), labels.to(self.device)) for x, labels in self.trainer.train)
        return Subject(self.net, self.slots, self.initial_values, batches, self.loss, ImportantLoss(self._labels()))

    def _objective(self) -> Objective:
        state = self.state
        constrained = ConstrainedLoss(self.loss, state.multipliers, self.settings.margin)
        far = Distillation(
            self.settings.positive, 1.0 if self.settings.pos_weight is None else self.settings.pos_weight
        )
        teacher = None
        if self.settings.distill and state.dense is not None:
            teacher = self._plain(state.dense, 0).to(self.device)
        return Objective(constrained, far, self.settings.distill, teacher)

    def _after_epoch(self, training: TrainingState, loss: float, answers: Answers) -> None:
        state = self.state
        if not training.diverged:
            if state.budget is not None:
                state.multipliers.update(state.budget.excess(answers))
            misses = int((answers.scores(self.settings.positive)[answers.truth(self.settings.positive)] < 0).sum())
            left = masking.remaining(masking.get_masks(self.slots))
            self.watch.epoch(state.epochs_done + training.epoch, loss, misses, left)
        if time.perf_counter() - self.saved >= self.checkpoint_seconds:
            state.net = snapshot(self.net)
            self._save()

    # --- what an iteration was worth -----------------------------------------------------------------------

    def _record(self, trained: TrainingState) -> None:
        """Evaluate the best epoch on every side."""
        self.net.load_state_dict(trained.best)
        found = {name: answers_of(self.net, side, self.device) for name, side in self.sides.items()}
        held_out, positive = found["validation"], self.settings.positive
        rule = self.state.budget or Unconstrained(self._labels())
        thresholds = rule.thresholds(held_out, self.settings.fn_cost)
        self.state.iterations.append(
            Iteration(
                arm=self.name,
                index=self.state.index,
                remaining=masking.remaining(masking.get_masks(self.slots)),
                epochs=trained.epoch,
                best_epoch=trained.best_epoch,
                threshold=thresholds[positive],
                at_zero=evaluations(found, positive, 0.0),
                at_threshold=evaluations(found, positive, thresholds[positive]),
                collapsed=held_out.auc(positive) < COLLAPSED_AUC,
                within_budget=rule.holds(held_out, thresholds),
                multipliers={str(label): value for label, value in self.state.multipliers.values.items()},
                more=more_classes(found, {k: v for k, v in thresholds.items() if k != positive}),
            )
        )
        if self.settings.constrained and not self.state.index:
            self.state.budget = budget_of(held_out, self.settings)
        if self.on_iteration:
            self.on_iteration(self.state.iterations[-1], found)

    def _labels(self) -> tuple[int, ...]:
        return (self.settings.positive, *(each.label for each in self.settings.more_classes))

    def _most_epochs(self, iterations: int) -> int:
        return self.settings.epochs + (iterations - 1) * self.settings.epochs_later

    def _equip(self, net: nn.Module) -> Equipment:
        return equip(net, self.example, self.structure, self.settings)

    def _plain(self, state: State, index: int) -> nn.Module:
        """A network of the template's structure, on the CPU, with the masks of `state`, weights of iteration `index`,
        made permanent."""
        over = self._equip(copy.deepcopy(self.template))
        over.net.load_state_dict(state)
        over.enter(self.settings.rounds[index])
        kept = masking.get_masks(over.slots)
        return self.structure.shrink(over.finalize(), kept)

    def _result(self) -> ArmResult:
        state = self.state
        good = [each.index for each in state.iterations if not each.collapsed and each.within_budget]
        pruned = self._plain(state.chosen, good[-1] if good else 0)
        dense = pruned if state.dense is None else self._plain(state.dense, 0)
        return ArmResult(dense, pruned, tuple(state.iterations), state.stopped, dict(self.trainer.seconds))

    # --- checkpoints ---------------------------------------------------------------------------------------

    def _checkpoint_file(self, run_dir: Path | None) -> CheckpointFile | None:
        if run_dir is None:
            return None
        words = (json.dumps(asdict(self.settings), sort_keys=True), self.name)
        held_out = [tensor for batch in self.sides["validation"] for tensor in batch]
        return CheckpointFile(
            run_dir / f"{self.name}.checkpoint", fingerprint_of(words, [*self.initial.values(), *held_out])
        )

    def _begin(self, resume: bool) -> RunState:
        found = self.checkpoint.read() if self.checkpoint and resume else None
        if self.checkpoint and not resume and self.checkpoint.path.exists():
            raise UsageError(
                f"{self.checkpoint.path}: an earlier run left this checkpoint; give --resume to go on with it, "
                "or move the folder away to start over"
            )
        if found is None:
            return RunState(0, self.initial, self.initial, self.initial)
        state = RunState.from_dict(found)
        if state.net is not None:
            self.net.load_state_dict(state.net)
        return state

    def _save(self) -> None:
        checkpoint = self.checkpoint
        if checkpoint:
            self._timed("checkpoint", lambda: checkpoint.write(self.state.to_dict()))
        self.saved = time.perf_counter()

    def _timed(self, activity: str, work: Callable[[], None]) -> None:
        start = time.perf_counter()
        work()
        self.trainer.seconds[activity] += time.perf_counter() - start
