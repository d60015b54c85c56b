"""The nearest supported thing to say to somebody whose operator is not supported."""

from __future__ import annotations

REWRITES = {
    "ARG_MAX": "leave it out and take the largest output in the caller",
    "BATCH_MATMUL": "FULLY_CONNECTED with constant weights",
    "CONV_3D": "CONV_2D over channels",
    "CUSTOM": "TensorFlow Lite's built-in operators (convert without allow_custom_ops and SELECT_TF_OPS)",
    "DEPTH_TO_SPACE": "RESIZE_NEAREST_NEIGHBOR, then CONV_2D",
    "DEQUANTIZE": "integers throughout: it is supported at the very end alone",
    "DIV": "MUL by the reciprocal",
    "ELU": "RELU or LEAKY_RELU",
    "GELU": "HARD_SWISH",
    "L2_NORMALIZATION": "batch normalization, which the converter folds",
    "PRELU": "LEAKY_RELU",
    "REDUCE_MAX": "MAX_POOL_2D over the whole image",
    "RESIZE_BILINEAR": "RESIZE_NEAREST_NEIGHBOR to a whole multiple",
    "SUM": "MEAN",
    "TRANSPOSE_CONV": "RESIZE_NEAREST_NEIGHBOR, then CONV_2D",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "an LSTM in a PyTorch model",
    "WHILE": "an unrolled model",
}


def rewrite_of(code: str) -> str:
    """A clause like ``instead: MEAN; ``, or nothing where there is no near relative."""
    near = REWRITES.get(code.split(" ")[0])
    return f"instead: {near}; " if near else ""
