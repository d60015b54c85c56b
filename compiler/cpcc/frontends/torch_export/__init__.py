"""`torch.export` programs to float graphs.

The families here read a node's arguments; what a layer becomes in the graph is `cpcc.frontends.channels_first`.
"""

from cpcc.frontends.torch_export.final import strip_final_activation
from cpcc.frontends.torch_export.ports import inputs_of, results_of
from cpcc.frontends.torch_export.program import to_graph

__all__ = ["inputs_of", "results_of", "strip_final_activation", "to_graph"]
