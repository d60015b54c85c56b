"""What the user asked to be promised, for one important class or several, as one budget per class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cpcc.errors import UsageError
from cpcc.proof.guarantee import MAX_FNR, MAX_FPR, Budget

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Level:
    """A rate asked for: `kind` (MAX_FNR or MAX_FPR) at most `value`, for class `label` or, where that is None, for
    every important class."""

    kind: str
    label: int | None
    value: float


@dataclass(frozen=True)
class Promise:
    """Rates asked for and the confidence: `joint` that all of them hold at once, shared out equally (Bonferroni), or
    each class's `own` as (label, confidence)."""

    levels: tuple[Level, ...]
    joint: float = CONFIDENCE
    own: tuple[tuple[int, float], ...] = ()

    def budgets(self, labels: tuple[int, ...]) -> tuple[Budget, ...]:
        """One budget for each of the important classes `labels`. Raises `UsageError` where a class has none or two, or
        a label is not important."""
        named = [*(level.label for level in self.levels), *(label for label, _ in self.own)]
        for label in named:
            if label is not None and label not in labels:
                known = ", ".join(map(str, labels))
                raise UsageError(f"class {label} has a budget but is not important; the important classes are {known}")
        several = len(labels) > 1
        confidences = self._confidences(labels)
        return tuple(self._budget(label, confidences[label], several) for label in labels)

    def _budget(self, label: int, confidence: float, several: bool) -> Budget:
        own = [level for level in self.levels if level.label == label]
        found = own or [level for level in self.levels if level.label is None]
        if not found:
            raise UsageError(
                f"class {label} has no budget; give every important class one (--max-fnr {label}=RATE), or none"
            )
        if len(found) > 1:
            raise UsageError(
                f"class {label}: --max-fnr and --max-fpr both choose the threshold; give one of them, once"
            )
        return Budget(found[0].kind, found[0].value, confidence, label if several else None)

    def _confidences(self, labels: tuple[int, ...]) -> dict[int, float]:
        if not self.own:
            share = (1 - self.joint) / len(labels)
            return dict.fromkeys(labels, self.joint if len(labels) == 1 else 1 - share)
        found = dict(self.own)
        missing = [label for label in labels if label not in found]
        if missing or len(found) < len(self.own):
            raise UsageError(
                "--confidence: give it once for all classes together, or LABEL=CONFIDENCE once for every important class"
            )
        return found


def promise_of(max_fnr: Iterable[str], max_fpr: Iterable[str], confidence: Iterable[str]) -> Promise | None:
    """The promise that the options' words ask for, RATE or LABEL=RATE each; None where there are no rates.
    Raises `UsageError` for a word that is none."""
    levels = tuple(
        Level(kind, *_labelled(f"--{kind}", word)) for kind, words in ((MAX_FNR, max_fnr), (MAX_FPR, max_fpr)) for word in words
    )  # fmt: skip
    parts = [_labelled("--confidence", word) for word in confidence]
    joint = [value for label, value in parts if label is None]
    own = tuple((label, value) for label, value in parts if label is not None)
    if len(joint) > 1 or (joint and own):
        raise UsageError("--confidence: give it once for all classes together, or LABEL=CONFIDENCE for every one")
    for value in (*joint, *(value for _, value in own)):
        if not 0 < value < 1:
            raise UsageError(f"--confidence {value:g}: needed: more than 0, less than 1")
    return Promise(levels, joint[0] if joint else CONFIDENCE, own) if levels else None


def _labelled(option: str, word: str) -> tuple[int | None, float]:
    """(3, 0.02) of "3=0.02", (None, 0.02) of "0.02"."""
    label, equals, value = word.rpartition("=")
    try:
        return int(label) if equals else None, float(value)
    except ValueError:
        raise UsageError(f"{option} {word}: give RATE or LABEL=RATE, such as 0.02 or 3=0.02") from None
