"""What the batches hold: a first sample, and samples by label."""

from collections import Counter
from typing import NamedTuple

from torch import Tensor

from cpcc.errors import DataError
from cpcc.prune.batches import TensorBatches
from cpcc.prune.checks import check_batch
from cpcc.prune.trainer import Batches


class Side(NamedTuple):
    """Samples by label, and how many the smallest batch holds."""

    counts: Counter[int]
    smallest: int


def first_sample(batches: Batches) -> Tensor:
    """(1, ...) on the CPU. DataError for data without a batch, or that can be read only once."""
    if isinstance(batches, TensorBatches):
        return batches.x[:1].cpu()
    _check_again("train", batches)
    for batch in batches:
        return check_batch("train", batch)[0][:1].cpu()
    raise DataError("train: no batch; give at least one sample of each class")


def _check_again(side: str, batches: Batches) -> None:
    if iter(batches) is batches:
        raise DataError(
            f"{side}: a {type(batches).__name__} can be read once only; give a DataLoader or a list of batches"
        )


def count(train: Batches, validation: Batches, important: tuple[int, ...], outputs: int = 1) -> Side:
    """The training side. DataError when a side has no sample of an important class, or nothing else, or labels that a network
    of several `outputs` does not know."""
    found = {"train": _count("train", train), "validation": _count("validation", validation)}
    for side, (counts, _) in found.items():
        for label in important:
            if not counts[label]:
                raise DataError(f"{side}: no sample of the important class {label}; give more of them")
            if counts[label] == counts.total():
                raise DataError(f"{side}: only samples of the important class {label}; give others too")
        if outputs > 1 and not (min(counts) >= 0 and max(counts) < outputs):
            span = f"labels {min(counts)}..{max(counts)}"
            raise DataError(f"{side}: {span}, the network has {outputs} outputs; needed: 0..{outputs - 1}")
    return found["train"]


def _count(side: str, batches: Batches) -> Side:
    if isinstance(batches, TensorBatches):
        return Side(Counter(batches.labels.tolist()), len(batches.labels) // len(batches))
    _check_again(side, batches)
    counts: Counter[int] = Counter()
    sizes = set()
    for batch in batches:
        labels = check_batch(side, batch)[1].tolist()
        counts.update(labels)
        sizes.add(len(labels))
    return Side(counts, min(sizes, default=0))
