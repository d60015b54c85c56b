"""An ``.onnx`` file to a float graph or, where QuantizeLinear and DequantizeLinear stand around its operators, to an int8
graph with the file's own scales. Needs no torch.

`file` reads and checks the protobuf, `importer` is what handlers work with, and each other module handles one family of
operators; what a layer becomes in the graph is `cpcc.frontends.channels_first`.
"""

from cpcc.frontends.onnx.model import Imported, to_graph

__all__ = ["Imported", "to_graph"]
