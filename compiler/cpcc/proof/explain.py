"""One sample through all nodes, float beside fixed: where the error comes from."""

from __future__ import annotations

import math

import numpy as np

from cpcc.detector import Decision, Detector, check_raw, quantize_inputs, to_channels_last
from cpcc.errors import UsageError
from cpcc.executors.base import node_names
from cpcc.folder import BuildFolder
from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Float32, Graph, Int8, Integer
from cpcc.models import onnx_model
from cpcc.models.model_file import load_model
from cpcc.models.torch_model import float_scores, scaled_inputs
from cpcc.proof.calibration import fixed_scores
from cpcc.quantize import run_nodes
from cpcc.records import each
from cpcc.report import table

HEADER = (
    "node",
    "float range",
    "fixed range",
    "step",
    "largest error",
    "in steps",
    "SQNR dB",
    "clipped",
    "channels kept",
)


def _range(values: np.ndarray) -> str:
    return f"{values.min():.4g} ... {values.max():.4g}"


def sqnr(signal: np.ndarray, error: np.ndarray) -> float:
    """Signal-to-quantization-noise ratio in dB; infinite without error."""
    noise = float(np.square(error).sum())
    return math.inf if not noise else 10 * math.log10(max(float(np.square(signal).sum()), 1e-30) / noise)


def _row(name: str, real: np.ndarray, q: np.ndarray, kind: Integer, kept: np.ndarray | None) -> list[str]:
    """`kept` are the channels of `real` that the compiler did not drop, None for all."""
    fixed = kind.dequantize(q)
    left = "" if kept is None else f"{len(kept)} of {real.shape[-1]}"
    real = real if kept is None else real[..., kept]
    error = fixed - real
    worst = float(np.abs(error).max())
    low, high = kind.dequantize(np.array([kind.low, kind.high])) + np.array([-0.5, 0.5]) * kind.scale
    clipped = int(((real < low) | (real > high)).sum())
    return [name, _range(real), _range(fixed), f"{kind.scale:.4g}", f"{worst:.4g}", f"{worst / kind.scale:.2f}",
            f"{sqnr(real, error):.1f}", f"{clipped} of {q.size}", left]  # fmt: skip


def _float_side(build: BuildFolder, detector: Detector, raw: np.ndarray) -> tuple[Graph, np.ndarray, np.ndarray]:
    """(float graph, `raw` as it enters it, scores (decisions,)). Raises `UsageError` where the model file has no float network."""
    if build.model_path.suffix == ".pt":
        model = load_model(build.model_path)
        scaled = scaled_inputs(model, raw)
        graph = to_graph(model.program, build.manifest.name, detector.decisions[0].output)
        return graph, scaled, float_scores(model.program, detector.decisions, scaled)[0]
    own = onnx_model.float_graph_of(build) if build.model_path.suffix == ".onnx" else None
    if own is None:
        raise UsageError(f"--explain: {build.path} has no float network to show beside; the model file is fixed-point")
    return own, raw, onnx_model.float_scores(own, detector.decisions, raw)[0]


def explain(build: BuildFolder, raw: np.ndarray, number: int) -> str:
    """The table of one raw sample (1, ...) and both decisions. Raises `DataError` where it does not fit the model."""
    check_raw(build.detector, raw)
    detector = build.detector
    if not isinstance(detector, Detector):
        raise UsageError(f"--explain: {build.path} has no decision to explain; build it with --positive")
    floats, scaled, scores = _float_side(build, detector, raw)
    real = run_nodes(floats, Float32, each(to_channels_last, scaled))
    fixed = run_nodes(detector.graph, Int8, quantize_inputs(detector, raw))
    names = node_names(detector.graph)
    rows = []
    for tensor, node in names.items():
        own = detector.graph.tensors[tensor].integer
        if tensor in real:  # a pass may have made tensors that the float graph has not
            balanced = real[tensor] / detector.balance.get(tensor, 1.0)
            rows.append(_row(node, balanced, fixed[tensor], own, detector.kept.get(tensor)))
    return f"sample {number}\n{table(HEADER, rows)}\n{_decisions(detector, scores, raw)}"


def _decisions(detector: Detector, scores: np.ndarray, raw: np.ndarray) -> str:
    """Float scores (decisions,) and what the fixed-point model makes of the raw sample (1, ...), for each class."""
    several = len(detector.decisions) > 1
    fixed = fixed_scores(detector, raw)[0]
    return "\n".join(
        _decided(decision, float(score), int(own), f"class {decision.positive}, " if several else "")
        for decision, score, own in zip(detector.decisions, scores, fixed, strict=True)
    )


def _decided(decision: Decision, score: float, fixed: int, whose: str) -> str:
    words = ("negative", "positive")
    return (f"{whose}float score {score:.4f}, threshold {decision.float_threshold:.4f}: {words[score >= decision.float_threshold]}\n"
            f"{whose}fixed score {fixed} ({fixed * decision.step:.4f}), threshold {decision.threshold} "
            f"({decision.threshold * decision.step:.4f}): {words[fixed >= decision.threshold]}")  # fmt: skip
