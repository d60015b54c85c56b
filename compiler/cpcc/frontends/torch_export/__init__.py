"""`torch.export` programs to float graphs.

torch computes channels first, ``(1, c, h, w)``; the graph is channels-last. `layout` says where the elements of a torch
tensor lie in a graph tensor: flattening an image or permuting axes costs nothing at run time, for the columns of the
next Linear are permuted instead, and a copy is made only where a layer needs another order. Shapes here are torch's and
include the batch, which is 1.
"""

from cpcc.frontends.torch_export.final import strip_final_activation
from cpcc.frontends.torch_export.program import to_graph

__all__ = ["strip_final_activation", "to_graph"]
