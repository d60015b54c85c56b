"""Everything that is laid over a network's parameters while it is pruned, and taken off at the end."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.utils import parametrize

from cpcc.prune import masks as masking
from cpcc.prune.levels import LEVELS, FewLevels
from cpcc.prune.masks import Slot
from cpcc.prune.qat import Activations, Int8Weight
from cpcc.prune.schedule import Round
from cpcc.prune.settings import PruneSettings
from cpcc.prune.structures import Structure


@dataclass(frozen=True, eq=False)
class Equipment:
    """Masks of `net` by `slots`; where the settings want them also weights of few levels, and int8 rounding."""

    net: nn.Module
    slots: list[Slot]
    levels: list[FewLevels]
    weights: list[Int8Weight]
    activations: Activations | None

    def enter(self, stage: Round) -> None:
        """Switch on what a round trains with. Weights of few levels need no further rounding in int8."""
        for each in self.levels:
            each.active = stage.few_levels
        for weight in self.weights:
            weight.active = stage.int8 and not stage.few_levels
        if self.activations is not None:
            self.activations.active = stage.int8

    def leave_int8(self) -> None:
        """Plain float again: what is measured and exported."""
        for weight in self.weights:
            weight.active = False
        if self.activations is not None:
            self.activations.active = False

    def finalize(self) -> nn.Module:
        """The network with plain parameters, see `masks.finalize`; weights of few levels where these are on."""
        self.leave_int8()
        for slot in self.slots:
            if parametrize.is_parametrized(slot.module, f"{slot.name}_orig"):
                parametrize.remove_parametrizations(slot.module, f"{slot.name}_orig", leave_parametrized=True)
        if self.activations is not None:
            self.activations.detach()
        return masking.finalize(self.net, self.slots)


def equip(net: nn.Module, example: Tensor, structure: Structure, settings: PruneSettings) -> Equipment:
    """Lay masks of ones, and what the settings want, over `net`."""
    activations = Activations(net, example) if settings.qat else None
    slots = structure.attach(net)
    layers = [slot.module for slot in slots if slot.name == "weight" and slot.value.ndim > 1]
    levels = [FewLevels(layer, LEVELS[settings.weights]) for layer in layers if settings.weights in LEVELS]
    weights = [Int8Weight(layer) for layer in layers if settings.qat]
    laid: list[FewLevels | Int8Weight] = [*levels, *weights]
    for each in laid:
        parametrize.register_parametrization(each.owner[0], "weight_orig", each)
    return Equipment(net, slots, levels, weights, activations)
