"""cpcc: class-dependent pruning and a C compiler for detectors on Cortex-M."""

__version__ = "0.1.0"
