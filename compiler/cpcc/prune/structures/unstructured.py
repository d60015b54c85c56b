"""Every weight stands alone."""

from collections.abc import Mapping

from torch import Tensor

from cpcc.prune import masks as masking
from cpcc.prune.masks import Tensors
from cpcc.prune.structures.base import Structure


class Unstructured(Structure):
    def tighten(
        self, scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], fraction: float, scope: str, floor: int
    ) -> Tensors:
        return masking.tighten(scores, masks, fraction, scope, floor)
