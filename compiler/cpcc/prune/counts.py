"""What the batches hold: a first sample, and samples by label."""

from collections import Counter
from itertools import chain

from torch import Tensor

from cpcc.errors import DataError
from cpcc.prune.batches import TensorBatches
from cpcc.prune.trainer import Batches


def first_sample(batches: Batches) -> Tensor:
    """(1, ...) on the CPU. DataError for data without a batch."""
    if isinstance(batches, TensorBatches):
        return batches.x[:1].cpu()
    for x, _ in batches:
        return x[:1].cpu()
    raise DataError("train: no batch; give at least one sample of each class")


def counts_of(train: Batches, validation: Batches, important: tuple[int, ...]) -> Counter[int]:
    """Training samples by label. DataError when a side has no sample of an important class, or nothing else."""
    counted = {side: _label_counts(batches) for side, batches in (("train", train), ("validation", validation))}
    for side, counts in counted.items():
        for label in important:
            if not counts[label]:
                raise DataError(f"{side}: no sample of the important class {label}; give more of them")
            if counts[label] == counts.total():
                raise DataError(f"{side}: only samples of the important class {label}; give others too")
    return counted["train"]


def _label_counts(batches: Batches) -> Counter[int]:
    if isinstance(batches, TensorBatches):
        return Counter(batches.labels.tolist())
    return Counter(chain.from_iterable(labels.tolist() for _, labels in batches))
