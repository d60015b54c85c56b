"""The nearest supported thing to say to somebody whose operator is not supported."""

from __future__ import annotations

_QDQ = "the QDQ format: onnxruntime.quantization.quantize_static(..., quant_format=QuantFormat.QDQ)"
_EIGHT_BITS = "quantize_static with QuantType.QInt8 or QUInt8 and without extra_options UseQDQContribOps"
_NORM = "BatchNormalization, which costs nothing after a convolution"
_BRANCH = "both branches computed and blended: m * a + (1 - m) * b"
REWRITES = {
    "ArgMax": "nothing: leave it out and take the largest output in the caller, or --positive",
    "Attention": "convolutions, or a GRU",
    "ConvInteger": _QDQ,
    "DynamicQuantizeLinear": _QDQ,
    "Einsum": "MatMul with a constant",
    "GroupNormalization": _NORM,
    "If": _BRANCH,
    "InstanceNormalization": _NORM,
    "LayerNormalization": _NORM,
    "Loop": "an unrolled model",
    "LpPool": "AveragePool",
    "MatMulInteger": _QDQ,
    "Mean": "Add, then Mul by a constant",
    "QLinearConv": _QDQ,
    "QLinearMatMul": _QDQ,
    "RNN": "GRU",
    "ReduceL2": "ReduceMean",
    "ReduceSum": "ReduceMean",
    "Scan": "an unrolled model",
    "TopK": "nothing: leave it out and take the largest outputs in the caller",
    "Where": _BRANCH,
}


def rewrite_of(kind: str) -> str:
    """A clause like ``instead: ReduceMean; ``, or nothing where there is no near relative."""
    near = REWRITES.get(kind)
    return f"instead: {near}; " if near else ""


def contrib_rewrite_of(kind: str) -> str:
    """The same for an operator of ONNX Runtime's own domain, which its quantizer and its optimizer write."""
    if kind in ("QuantizeLinear", "DequantizeLinear"):
        return f"instead: {_EIGHT_BITS}; "
    if kind.startswith(("QLinear", "QGemm", "DynamicQuantize", "MatMulInteger")):
        return f"instead: {_QDQ}; "
    return "instead: the file before ONNX Runtime optimized it; "
