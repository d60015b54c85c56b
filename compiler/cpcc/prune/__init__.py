"""Class-dependent pruning: iterative magnitude pruning that protects the important class.

After R. Entezari and O. Saukh, "Class-dependent Compression of Deep Neural Networks" (arXiv 1909.10364).
"""

from cpcc.prune.api import PruneResult, prune_network
from cpcc.prune.loop import Iteration
from cpcc.prune.settings import PruneSettings

__all__ = ["Iteration", "PruneResult", "PruneSettings", "prune_network"]
