"""What a build compiles: an int8 graph with its input conversion and, of a detector, its decision."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cpcc.errors import DataError, ModelError
from cpcc.graph import Graph, Integer
from cpcc.guarantee import NO_PROMISE, Guarantee
from cpcc.operating_points import OperatingPoint
from cpcc.quant.noise import Noise

RAW_DTYPES = ("float32", "uint8", "int8", "int16")


@dataclass(frozen=True, eq=False)
class InputSpec:
    """How a raw sample becomes the integer input: ``q = round((raw - mean) * factor) + zero_point``, in float32.

    `shape` is the model file's own layout, ``(features,)`` or ``(c, h, w)``; `mean` and `factor` (features or
    channels,) float32, with ``factor = 1 / (std * scale)``. Where the file's layout is `channels_last` (the graph's
    own), they have one entry for all values."""

    dtype: str
    shape: tuple[int, ...]
    mean: np.ndarray
    factor: np.ndarray
    channels_last: bool = False

    @property
    def channels(self) -> int:
        """Runs of values with one mean and factor; they follow each other in a raw sample."""
        return len(self.mean)

    @property
    def spatial(self) -> int:
        """Elements per channel."""
        return int(np.prod(self.shape, dtype=np.int64)) // self.channels

    def copies(self, kind: Integer) -> bool:
        """Whether a raw sample is the integer input itself."""
        plain = bool((self.mean == kind.zero_point).all() and (self.factor == 1).all())
        return self.dtype == np.dtype(kind.dtype).name and self.channels_last and plain


@dataclass(frozen=True)
class Decision:
    """Integer decision rule: positive when the score is at least `threshold`.

    Score of a one-logit net: ``sign * (q - zero_point)``; of others: the logit `index` minus the largest other.
    `float_threshold` is the rule's threshold on the float score; `step` is one score unit in logits;
    `calibration_fn` and `float_calibration_fn` count the misses on the calibration positives. `guarantee` says how
    the threshold was chosen; `points` are shipped on request (`cpcc build --threshold-table`)."""

    index: int
    sign: int
    threshold: int
    float_threshold: float
    step: float
    positive: int
    calibration_positives: int = 0
    calibration_fn: int = 0
    float_calibration_fn: int = 0
    guarantee: Guarantee = NO_PROMISE
    points: tuple[OperatingPoint, ...] = ()


@dataclass(frozen=True, eq=False)
class Network:
    """An int8 graph ready for planning, and how raw samples enter it. Its result is the output tensor. `noise` keeps the
    signal-to-noise ratios per layer for reports, where cpcc quantized the network."""

    graph: Graph
    input: InputSpec
    noise: dict[str, Noise] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True, eq=False)
class Detector(Network):
    """A network with a decision: its result is a score and whether it reaches the threshold. `float_ranges` keeps the
    calibrated (low, high) per tensor for reports."""

    decision: Decision
    float_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


def to_channels_last(x: np.ndarray) -> np.ndarray:
    """(n, c, h, w) to (n, h, w, c); (n, c, length) to (n, 1, length, c); (n, features) unchanged."""
    if x.ndim == 3:
        x = x[:, :, None, :]
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def to_model_layout(q: np.ndarray) -> np.ndarray:
    """Inverse of `to_channels_last`."""
    return q.transpose(0, 3, 1, 2) if q.ndim == 4 else q


def arena_layout(spec: InputSpec, x: np.ndarray) -> np.ndarray:
    """Samples (n, ...) of the model file's layout in the graph's."""
    return x if spec.channels_last else to_channels_last(x)


def model_layout(spec: InputSpec, q: np.ndarray) -> np.ndarray:
    """Inverse of `arena_layout`, of inputs and outputs."""
    return q if spec.channels_last else to_model_layout(q)


def check_raw(spec: InputSpec, x: np.ndarray) -> None:
    """Raises `DataError` where samples `x` (n, ...) do not fit the model's input."""
    if x.shape[1:] != spec.shape:
        raise DataError(f"x has samples of shape {x.shape[1:]}, the model expects {spec.shape}")
    if x.dtype.name != spec.dtype:
        raise DataError(
            f"x has dtype {x.dtype.name}, the model was made for {spec.dtype}; convert with x.astype('{spec.dtype}')"
        )


def input_bound(kind: Integer) -> int:
    """What scaled raw values are clamped to before they are rounded: far enough outside the type to saturate it."""
    return 4 * (kind.high + 1)


def quantize_input(spec: InputSpec, kind: Integer, raw: np.ndarray) -> np.ndarray:
    """Integers of `kind` (n, ...), channels-last, of raw samples in the model's layout; the generated ``NAME_quantize`` equals it.

    float32 throughout, rounded half away from zero: every step is one IEEE operation, so C gives the same bits."""
    assert spec.channels == 1 or not spec.channels_last
    beyond = np.float32(input_bound(kind))
    per_channel = (1, -1, *([1] * (raw.ndim - 2)))
    centred = raw.astype(np.float32) - spec.mean.reshape(per_channel)
    scaled = np.clip(centred * spec.factor.reshape(per_channel), -beyond, beyond)
    half = np.where(scaled < 0, np.float32(-0.5), np.float32(0.5))
    rounded = (scaled + half).astype(np.int32) + kind.zero_point
    return np.ascontiguousarray(arena_layout(spec, np.clip(rounded, kind.low, kind.high).astype(kind.dtype)))


def scores_of(network: Network, outputs: np.ndarray) -> np.ndarray:
    """(n,) int32 scores of integer outputs (n, ...); zeros where the network has no decision."""
    if not isinstance(network, Detector):
        return np.zeros(len(outputs), np.int32)
    return integer_scores(network.decision, output_type(network.graph), outputs).astype(np.int32)


def integer_scores(decision: Decision, kind: Integer, outputs: np.ndarray) -> np.ndarray:
    """(n,) int32 scores of integer outputs (n, k), on the scale of `decision.threshold`."""
    q = outputs.astype(np.int32)
    if q.shape[1] == 1:
        return decision.sign * (q[:, 0] - kind.zero_point)
    others = np.delete(q, decision.index, axis=1).max(axis=1)
    return q[:, decision.index] - others


def score_span(decision: Decision, kind: Integer, logits: int) -> tuple[int, int]:
    """(lowest, highest) integer score that can occur."""
    if logits > 1:
        return kind.low - kind.high, kind.high - kind.low
    ends = decision.sign * (kind.low - kind.zero_point), decision.sign * (kind.high - kind.zero_point)
    return min(ends), max(ends)


def output_type(graph: Graph) -> Integer:
    """Integer type of the graph's only output. Raises `ModelError` where that is not a vector of logits."""
    tensor = graph.output
    if len(tensor.shape) != 1:
        raise ModelError(f"{graph.name}: the output has shape {tensor.shape}; a detector returns logits (k,)")
    return tensor.integer
