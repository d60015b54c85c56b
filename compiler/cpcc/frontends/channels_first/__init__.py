"""Layers of frameworks that compute channels first (torch, ONNX) as nodes of the channels-last float graph.

Frameworks compute on ``(1, c, h, w)``; the graph is channels-last. `layout` says where the elements of a framework's tensor
lie in a graph tensor: flattening an image or permuting axes costs nothing at run time, for the columns of the next linear
layer are permuted instead, and a copy is made only where a layer needs another order. `builder` appends nodes, and each
other module knows one family of layers. Shapes of values are the framework's and include the batch, which is 1.
"""
