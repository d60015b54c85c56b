"""Samples in batches: what the pruner reads instead of a DataLoader where everything fits into memory."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor


class TensorBatches:
    """Batches (x, labels) of samples in memory, in another random order on every pass.

    x (n, ...) float32, labels (n,) int64, both on the device of training. Every class is spread evenly over the
    batches, since a batch without a positive has no ranking term; batches differ in length by at most one, since a
    last batch of one sample would stop batch norm. The order comes from torch's global generator of the CPU.
    """

    def __init__(self, x: Tensor, labels: Tensor, batch_size: int) -> None:
        self.x = x
        self.labels = labels
        self.batch_size = batch_size
        self._on_cpu = labels.cpu()

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = stratified_order(self._on_cpu).to(self.x.device)
        for rows in order.tensor_split(len(self)):
            yield self.x[rows], self.labels[rows]


def stratified_order(labels: Tensor) -> Tensor:
    """A random permutation (n,) of the samples in which every class is spread evenly."""
    place = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        shuffled = rows[torch.randperm(len(rows))]
        place[shuffled] = (torch.arange(len(rows)) + torch.rand(len(rows), dtype=torch.float64)) / len(rows)
    return place.argsort()


class Whole:
    """The same samples in a fixed order and large batches, for evaluation."""

    def __init__(self, x: Tensor, labels: Tensor, batch_size: int = 1024) -> None:
        self.x = x
        self.labels = labels
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(list(zip(self.x.split(self.batch_size), self.labels.split(self.batch_size))))
