"""Saliency of single parameters: the smallest scores are pruned first.

A network under score holds masks (cpcc.prune.masks); scores have the shapes of its prunable parameters.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cpcc.prune.losses.hybrid import Loss
from cpcc.prune.masks import Slot, Tensors

GRADIENT_SAMPLES = 2048  # enough for a mean gradient; all of a large set would cost an epoch

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Subject:
    """What is scored: `net` with the trained weights loaded (the initial ones for a score `at_init`), the initial
    values by key, training batches, the training loss, and the loss of the important classes' samples alone."""

    net: nn.Module
    slots: list[Slot]
    initial: Mapping[str, Tensor]
    batches: Batches
    loss: Loss
    class_loss: Loss


@dataclass(frozen=True)
class Score:
    """A saliency, and whether it is taken at the initial weights rather than at the trained ones."""

    compute: Callable[[Subject], Tensors]
    at_init: bool = False


def magnitude(subject: Subject) -> Tensors:
    """|w|."""
    return {slot.key: slot.value.abs() for slot in subject.slots}


def magnitude_increase(subject: Subject) -> Tensors:
    """|w| - |w_init|: the paper's score. Source: Zhou et al., "Deconstructing Lottery Tickets", 2019."""
    return {slot.key: slot.value.abs() - subject.initial[slot.key].abs() for slot in subject.slots}


def random(subject: Subject) -> Tensors:
    """Uniform noise from torch's global generator: what any score must beat."""
    return {slot.key: torch.rand(slot.value.shape).to(slot.value.device) for slot in subject.slots}


def snip(subject: Subject) -> Tensors:
    """|g * w|, g the gradient of the training loss. Source: Lee et al., "SNIP", ICLR 2019."""
    return _gradient_times_weight(subject, subject.loss)


def class_saliency(subject: Subject) -> Tensors:
    """|g * w| on the loss of the important classes' samples alone: how much the misses depend on a weight."""
    return _gradient_times_weight(subject, subject.class_loss)


def _gradient_times_weight(subject: Subject, loss: Loss) -> Tensors:
    """Gradients summed over up to GRADIENT_SAMPLES samples, in eval mode so that no statistics move."""
    subject.net.eval()
    subject.net.zero_grad()
    seen = 0
    for x, labels in subject.batches:
        (loss(subject.net(x), labels) * len(labels)).backward()
        seen += len(labels)
        if seen >= GRADIENT_SAMPLES:
            break
    found = {slot.key: (slot.gradient() * slot.value).abs() for slot in subject.slots}
    subject.net.zero_grad()
    return found


SCORES: Mapping[str, Score] = {
    "magnitude": Score(magnitude),
    "magnitude_increase": Score(magnitude_increase),
    "snip": Score(snip),
    "snip_init": Score(snip, at_init=True),
    "class_saliency": Score(class_saliency),
    "random": Score(random),
}
