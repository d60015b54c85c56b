"""Striping: a run of layers computed a band of rows at a time, so that only a band of what lies between them is ever in
memory. A rewrite of the integer graph, exact: each value is computed as before, once, by the same kernels.

Every band of a layer is a node. Rows that the next band reads again are not computed again but kept: the last rows of a
layer's window move to its beginning (`cpcc.ops.roll`), and the next band is computed behind them. Bands are read and
written where they lie (`cpcc.ops.row_slice`, `cpcc.ops.row_join`). Ideas: patch-based inference, J. Lin et al.,
"MCUNetV2", arXiv 2110.15352, which computes the rows between patches again; keeping them, M. Alwani et al., "Fused-layer
CNN accelerators", MICRO 2016.
"""
