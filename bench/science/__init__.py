"""The evidence for class-dependent pruning: data sets, arms, a resumable grid, tables and figures."""
