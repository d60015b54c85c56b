"""What the pruner asks of a structure."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from cpcc.prune import masks as masking
from cpcc.prune.masks import Slot, Tensors


class Structure(ABC):
    """One way to group weights. `net` is unmasked and is not changed; `example` is (1, ...); `biases`: prune them too."""

    def __init__(self, net: nn.Module, example: Tensor, biases: bool) -> None:
        self.example = example
        self.biases = biases

    def attach(self, net: nn.Module) -> list[Slot]:
        """Masks of ones on everything prunable of a network with the shape of the constructor's."""
        return masking.attach(net, self.example, self.biases)

    @abstractmethod
    def tighten(
        self, scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], fraction: float, scope: str, floor: int
    ) -> Tensors:
        """New masks, see `masks.tighten`: none comes back, the highest scores stay, the floor goes before the
        fraction."""

    def shrink(self, net: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
        """`net`, whose masks were made permanent, in the smallest form that this structure allows."""
        return net
