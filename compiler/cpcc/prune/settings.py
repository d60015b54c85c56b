"""The knobs of one pruning run, checked when made."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from cpcc.errors import UsageError
from cpcc.prune.levels import LEVELS
from cpcc.prune.losses import RANKS
from cpcc.prune.masks import SCOPES
from cpcc.prune.schedule import SCHEDULES, Round, rounds_of
from cpcc.prune.scores import SCORES
from cpcc.prune.structures import STRUCTURES

LOSSES = ("hybrid", "bce", "focal")
OPTIMIZERS = ("adam", "sgd")
WEIGHTS = ("float", *LEVELS)


@dataclass(frozen=True)
class ImportantClass:
    """A further class of a network with several outputs: its weight in the cross entropy (None: all other samples
    per sample of it) and, in the constrained mode, the increase of its FNR that is allowed."""

    label: int
    weight: float | None = None
    fnr_budget: float = 0.0


@dataclass(frozen=True)
class PruneSettings:
    """Both arms of a comparison share all of these but the loss.

    positive: label of the important class, which the detector signals; more_classes: others whose misses count.
    keep: fraction of prunable parameters left at the end. score, scope: which parameters go (SCORES, SCOPES).
    schedule, step: the fractions on the way there (SCHEDULES; step is the largest fraction removed per iteration);
    levels: the fractions themselves instead, largest first.
    loss, rank, rank_weight, margin: training loss; margin is not used by the rank "max". pos_weight: weight of the
    important class in the cross entropy, None for negatives per positive. distill: weight of the distance to the
    dense network's scores. rewind: "lr" (weights are kept, the learning rate starts anew), "init" or "epoch:K".
    epochs, epochs_later: most epochs of the first and of later iterations. patience: epochs without a better
    validation AUC before stopping. floor: weights that every output of a layer keeps (see masks.tighten).
    clip: largest norm of a step's gradient, since the squared hinges of a rank have no bound.
    prune_biases: the paper prunes them too; they save nothing in compiled code and keep units alive.
    fn_cost: what a unit of FNR costs against one of FPR when thresholds are chosen.

    max_fn_increase or fnr_budget turn the constrained mode on (see cpcc.prune.budget): on validation samples the
    pruned network may miss that many samples, or that rate of them, more than the dense one, and its false-positive
    rate may grow by max_fpr_increase. UsageError for a value out of range.

    structure: what is pruned as a whole (STRUCTURES): single weights, 1x4 or 1x16 blocks, channels. weights: "float", or few
    levels (cpcc.prune.levels), from the second round on. qat: a last round at the final masks with int8 rounding
    (cpcc.prune.qat), at a tenth of lr; its network is plain float.

    The defaults follow the measurements of docs/science.md; the paper's own recipe is rank "max", pos_weight None,
    scope "layer", score "magnitude_increase", rewind "init", floor 0, prune_biases and optimizer "sgd".
    """

    positive: int = 1
    keep: float = 0.1
    score: str = "magnitude"
    scope: str = "erk"
    loss: str = "hybrid"
    rank: str = "top"
    rank_weight: float = 2.0
    margin: float = 1.0
    pos_weight: float | None = 1.0
    step: float = 0.5
    rewind: str = "lr"
    epochs: int = 60
    epochs_later: int = 30
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float = 5e-3
    patience: int = 15
    clip: float = 1.0
    floor: int = 2
    prune_biases: bool = False
    fn_cost: float = 5.0
    seed: int = 0
    schedule: str = "geometric"
    levels: tuple[float, ...] = ()
    distill: float = 0.0
    max_fn_increase: int | None = None
    fnr_budget: float | None = None
    max_fpr_increase: float = 0.05
    more_classes: tuple[ImportantClass, ...] = ()
    structure: str = "unstructured"
    weights: str = "float"
    qat: bool = False

    def __post_init__(self) -> None:
        _one_of("score", self.score, SCORES)
        _one_of("scope", self.scope, SCOPES)
        _one_of("schedule", self.schedule, SCHEDULES)
        _one_of("loss", self.loss, LOSSES)
        _one_of("rank", self.rank, RANKS)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("structure", self.structure, STRUCTURES)
        _one_of("weights", self.weights, WEIGHTS)
        _inside("keep", self.keep, 0, 1)
        _inside("step", self.step, 0, 0.99)
        _inside("lr", self.lr, 0, 10)
        _inside("clip", self.clip, 0, 1e9)
        for name in ("epochs", "epochs_later", "batch_size", "patience"):
            _inside(name, getattr(self, name), 0, 10**6)
        for name in ("floor", "rank_weight", "margin", "fn_cost", "positive", "seed", "distill", "max_fpr_increase"):
            _not_negative(name, getattr(self, name))
        if self.pos_weight is not None:
            _inside("pos-weight", self.pos_weight, 0, 10**6)
        if self.rewind_epoch is not None and not 0 < self.rewind_epoch <= self.epochs:
            raise UsageError(f"rewind {self.rewind}: give an epoch from 1 to epochs ({self.epochs})")
        _check_levels(self.levels)
        self._check_budget()

    @property
    def rewind_epoch(self) -> int | None:
        """K of "epoch:K", None for the other two; UsageError for any other word."""
        if self.rewind in ("lr", "init"):
            return None
        word, _, epoch = self.rewind.partition(":")
        if word != "epoch" or not (epoch.isascii() and epoch.isdigit()):
            raise UsageError(f"rewind {self.rewind}: unknown; known: lr, init, epoch:K")
        return int(epoch)

    @property
    def constrained(self) -> bool:
        """Whether a budget of misses was given."""
        return self.max_fn_increase is not None or self.fnr_budget is not None

    @property
    def fractions(self) -> list[float]:
        """Remaining fractions of all iterations, from 1.0 down."""
        return list(self.levels) or SCHEDULES[self.schedule](self.keep, self.step)

    @property
    def rounds(self) -> list[Round]:
        """What every iteration trains."""
        return rounds_of(self.fractions, self.weights != "float", self.qat)

    def _check_budget(self) -> None:
        if self.max_fn_increase is not None and self.fnr_budget is not None:
            raise UsageError("max-fn-increase and fnr-budget: give one of the two")
        if self.max_fn_increase is not None:
            _not_negative("max_fn_increase", self.max_fn_increase)
        if self.fnr_budget is not None:
            _rate("fnr_budget", self.fnr_budget)
        for each in self.more_classes:
            _rate(f"important {each.label}: budget", each.fnr_budget)
        labels = [self.positive, *(each.label for each in self.more_classes)]
        if len(set(labels)) < len(labels) or min(labels) < 0:
            raise UsageError(f"important classes {labels}: give each label once, 0 or more")


def _check_levels(levels: tuple[float, ...]) -> None:
    if levels and (levels[0] != 1 or any(b >= a for a, b in pairwise(levels)) or levels[-1] <= 0):
        raise UsageError(f"levels {levels}: begin with 1 and go down, staying above 0")


def _one_of(name: str, value: str, known: Iterable[str]) -> None:
    words = list(known)
    if value not in words:
        raise UsageError(f"{name} {value}: unknown; known: {', '.join(words)}")


def _inside(name: str, value: float, low: float, high: float) -> None:
    if not low < value <= high:
        raise UsageError(f"{name.replace('_', '-')} {value}: needed: more than {low}, at most {high}")


def _rate(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UsageError(f"{name.replace('_', '-')} {value:g}: out of range; give a rate from 0 to 1")


def _not_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise UsageError(f"{name.replace('_', '-')} {value}: out of range; give 0 or more")
