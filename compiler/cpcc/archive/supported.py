"""What to say instead of an operation of torch that is not supported."""

from __future__ import annotations

SUPPORTED = (
    "Linear, Conv1d/2d, ConvTranspose1d/2d, BatchNorm1d/2d, pooling, mean, ReLU and other activations, add, sub, mul, cat, "
    "split, slice, pad, Upsample nearest, views and permutations; all of them: docs/operators.md"
)
_NORM = "BatchNorm, which costs nothing after a convolution"
_LINEAR = "Linear with constant weights"
_COMPARISON = "ReLU or Hardtanh, or a threshold in the caller"
_COMPLEX = "real inputs: transform before the network"
REWRITES = {
    "argmax": "the logits, and take the largest in the caller",
    "bmm": _LINEAR,
    "conv3d": "Conv2d",
    "cumsum": _LINEAR,
    "embedding": "a one-hot input and Linear",
    "eq": _COMPARISON,
    "fft_fft": _COMPLEX,
    "fft_rfft": _COMPLEX,
    "ge": _COMPARISON,
    "group_norm": _NORM,
    "gt": _COMPARISON,
    "imag": _COMPLEX,
    "instance_norm": _NORM,
    "layer_norm": _NORM,
    "le": _COMPARISON,
    "lt": _COMPARISON,
    "matmul": _LINEAR,
    "maximum": "ReLU: max(a, b) = b + relu(a - b)",
    "minimum": "ReLU: min(a, b) = b - relu(b - a)",
    "mm": _LINEAR,
    "rand_like": "nothing, or Dropout, which evaluation mode leaves out",
    "randn_like": "nothing, or Dropout, which evaluation mode leaves out",
    "real": _COMPLEX,
    "rnn_relu": "GRU",
    "rnn_tanh": "GRU",
    "stft": _COMPLEX,
    "sum": "mean",
    "topk": "the logits, and take the largest in the caller",
    "upsample_bilinear2d": "Upsample(mode='nearest')",
    "where": _COMPARISON,
}


def instead(name: str) -> str:
    """What a message says behind "is not supported" of the operation `name`, as ``layer_norm`` or ``add_``."""
    rewrite = REWRITES.get(name.rstrip("_"))
    return (f"use {rewrite}; " if rewrite else "") + f"supported layers: {SUPPORTED}"
