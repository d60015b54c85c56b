"""Which weights leave together: each alone, in blocks of four or sixteen input channels, or as whole channels."""

from cpcc.prune.structures.base import Structure
from cpcc.prune.structures.blocks import Blocks, Blocks16
from cpcc.prune.structures.channels import Channels
from cpcc.prune.structures.unstructured import Unstructured

STRUCTURES: dict[str, type[Structure]] = {
    "unstructured": Unstructured,
    "block4": Blocks,
    "block16": Blocks16,
    "channel": Channels,
}

__all__ = ["STRUCTURES", "Blocks", "Blocks16", "Channels", "Structure", "Unstructured"]
