"""Hand-written C99 kernels, harness and board files; package data only."""
