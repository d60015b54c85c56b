"""The knobs of one pruning run, checked when made."""

from collections.abc import Iterable
from dataclasses import dataclass

from cpcc.errors import UsageError
from cpcc.prune.losses import RANKS
from cpcc.prune.masks import SCOPES
from cpcc.prune.scores import SCORES

LOSSES = ("hybrid", "bce")
OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class PruneSettings:
    """Both arms of a comparison share all of these but the loss.

    positive: label of the important class. keep: fraction of prunable parameters left at the end.
    score, scope: which parameters go (SCORES, SCOPES). loss, rank, rank_weight, margin: training loss;
    margin is used by the pairwise rank only. pos_weight: weight of the important class in the cross
    entropy, None for negatives per positive. step: largest fraction removed per iteration. rewind: "lr"
    (weights are kept, the learning rate starts anew), "init" or "epoch:K". epochs, epochs_later: most
    epochs of the first and of later iterations. patience: epochs without a better validation AUC before
    stopping. floor: weights that every output of a layer keeps (see masks.tighten). fn_cost: what a unit
    of FNR costs against one of FPR when thresholds are chosen. UsageError for a value out of range.

    The defaults for scope, score, rewind and floor follow probes in which small convolutional networks did not
    collapse (docs/science.md says what this implementation has measured); the paper's own recipe is scope "layer", score "magnitude_increase", rewind
    "init", floor 0 and optimizer "sgd".
    """

    positive: int = 1
    keep: float = 0.1
    score: str = "magnitude"
    scope: str = "global"
    loss: str = "hybrid"
    rank: str = "max"
    rank_weight: float = 0.1
    margin: float = 1.0
    pos_weight: float | None = None
    step: float = 0.5
    rewind: str = "lr"
    epochs: int = 60
    epochs_later: int = 30
    batch_size: int = 32
    optimizer: str = "adam"
    lr: float = 3e-3
    patience: int = 15
    floor: int = 2
    fn_cost: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of("score", self.score, SCORES)
        _one_of("scope", self.scope, SCOPES)
        _one_of("loss", self.loss, LOSSES)
        _one_of("rank", self.rank, RANKS)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _inside("keep", self.keep, 0, 1)
        _inside("step", self.step, 0, 0.99)
        _inside("lr", self.lr, 0, 10)
        for name in ("epochs", "epochs_later", "batch_size", "patience"):
            _inside(name, getattr(self, name), 0, 10**6)
        for name in ("floor", "rank_weight", "margin", "fn_cost", "positive", "seed"):
            _not_negative(name, getattr(self, name))
        if self.pos_weight is not None:
            _inside("pos-weight", self.pos_weight, 0, 10**6)
        if self.rewind_epoch is not None and not 0 < self.rewind_epoch <= self.epochs:
            raise UsageError(f"rewind {self.rewind}: give an epoch from 1 to epochs ({self.epochs})")

    @property
    def rewind_epoch(self) -> int | None:
        """K of "epoch:K", None for the other two; UsageError for any other word."""
        if self.rewind in ("lr", "init"):
            return None
        word, _, epoch = self.rewind.partition(":")
        if word != "epoch" or not (epoch.isascii() and epoch.isdigit()):
            raise UsageError(f"rewind {self.rewind}: unknown; known: lr, init, epoch:K")
        return int(epoch)


def _one_of(name: str, value: str, known: Iterable[str]) -> None:
    words = list(known)
    if value not in words:
        raise UsageError(f"{name} {value}: unknown; known: {', '.join(words)}")


def _inside(name: str, value: float, low: float, high: float) -> None:
    if not low < value <= high:
        raise UsageError(f"{name.replace('_', '-')} {value}: needed: more than {low}, at most {high}")


def _not_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise UsageError(f"{name.replace('_', '-')} {value}: out of range; give 0 or more")
