"""What a pruning run is between two epochs, and what it comes to."""

import json
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from cpcc.prune.budget import Budget
from cpcc.prune.evaluation import Iteration
from cpcc.prune.losses import Multipliers
from cpcc.prune.trainer import State, TrainingState


@dataclass(frozen=True)
class ArmResult:
    """One arm: the dense network of iteration 0, the sparsest good one, all iterations, why it stopped.

    `stopped` is empty when the wanted sparsity was reached; `seconds` is the run time by activity. Networks are on
    the CPU, in eval mode, without parametrisations.
    """

    dense: nn.Module
    pruned: nn.Module
    iterations: tuple[Iteration, ...]
    stopped: str
    seconds: dict[str, float]

    @property
    def good(self) -> list[Iteration]:
        """Iterations that did not collapse and, in the constrained mode, hold the budget; `pruned` is the last."""
        return [iteration for iteration in self.iterations if not iteration.collapsed and iteration.within_budget]

    @property
    def threshold(self) -> float:
        """Of `pruned`, on its score (a logit for networks of one output); 0 where no iteration was good."""
        return self.good[-1].threshold if self.good else 0.0


@dataclass
class RunState:
    """All that a run is, between two epochs: a checkpoint holds this.

    `good`, `early`, `dense`, `chosen` are weights: of the last iteration's best epoch, of the rewinding point, of
    iteration 0, of the sparsest good iteration. `training` and `net` are there in the middle of an iteration.
    """

    index: int
    good: State
    early: State
    chosen: State
    dense: State | None = None
    iterations: list[Iteration] = field(default_factory=list)
    multipliers: Multipliers = field(default_factory=Multipliers)
    budget: Budget | None = None
    training: TrainingState | None = None
    net: State | None = None
    stopped: str = ""
    finished: bool = False
    epochs_done: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        plain = {name: getattr(self, name) for name in ("index", "stopped", "finished", "epochs_done")}
        weights = {name: getattr(self, name) for name in ("good", "early", "chosen", "dense", "net")}
        return {
            **plain,
            **weights,
            "iterations": [json.dumps(each.as_json()) for each in self.iterations],
            "multipliers": dict(self.multipliers.values),
            "budget": self.budget and self.budget.as_json(),
            "training": self.training and self.training.to_dict(),
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "RunState":
        """Inverse of `to_dict`."""
        changed: dict[str, Any] = {
            "iterations": [Iteration.from_json(json.loads(each)) for each in values["iterations"]],
            "multipliers": Multipliers(dict(values["multipliers"])),
            "budget": values["budget"] and Budget.from_json(values["budget"]),
            "training": values["training"] and TrainingState.from_dict(values["training"]),
        }
        names = RunState.__dataclass_fields__.keys() - changed.keys()
        return RunState(**{name: values[name] for name in names}, **changed)


def stop_word(state: RunState, diverged: bool) -> str:
    """Why the arm stops after this iteration; empty to go on."""
    kept = [each for each in state.iterations if not each.collapsed and each.within_budget]
    rest = f"kept iteration {kept[-1].index} with {kept[-1].remaining:.1%} of the weights" if kept else "none kept"
    if diverged:
        return f"diverged in iteration {state.index} (loss is not finite): {rest}; lower lr"
    last = state.iterations[-1]
    if not last.collapsed:
        return ""
    figure = last.at_zero["validation"].auc or 0.0
    place = f"collapsed in iteration {state.index} at {last.remaining:.1%} of the weights"
    return f"{place} (validation AUC {figure:.2f}): {rest}; raise keep or floor"
