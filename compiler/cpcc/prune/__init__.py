"""Class-dependent pruning: iterative magnitude pruning that protects the important class.

After R. Entezari and O. Saukh, "Class-dependent Compression of Deep Neural Networks" (arXiv 1909.10364).
"""

from cpcc.prune.api import PruneResult, prune_network
from cpcc.prune.batches import TensorBatches
from cpcc.prune.evaluation import Iteration
from cpcc.prune.pruner import ArmResult, ClassDependentPruner
from cpcc.prune.settings import ImportantClass, PruneSettings

__all__ = [
    "ArmResult",
    "ClassDependentPruner",
    "ImportantClass",
    "Iteration",
    "PruneResult",
    "PruneSettings",
    "TensorBatches",
    "prune_network",
]
