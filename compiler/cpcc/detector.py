"""What a build compiles: an int8 graph with its input conversion and, of a detector, its decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cpcc.errors import DataError, ModelError, UsageError
from cpcc.graph import Graph, Integer, Tensor
from cpcc.proof.guarantee import NO_PROMISE, Guarantee
from cpcc.proof.operating_points import OperatingPoint
from cpcc.quant.noise import Noise
from cpcc.records import by_name, described, joined

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
    """Integer decision rule: positive when the score is at least `threshold`. Of several outputs, number `output` decides.

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
    output: int = 0


@dataclass(frozen=True, eq=False)
class Network:
    """An int8 graph ready for planning, and how raw samples enter each of its inputs, in the graph's order. Its result are
    the output tensors. `noise` keeps the signal-to-noise ratios per layer for reports, where cpcc quantized the network;
    `int16` the layers that `--int16 auto` widened, those first that gained most; `kept` the channels left of every tensor that lost dead ones, as the float network numbers them; `balance` what
    equalization divided the channels of a tensor by."""

    graph: Graph
    inputs: tuple[InputSpec, ...]
    noise: dict[str, Noise] = field(default_factory=dict, kw_only=True)
    int16: tuple[str, ...] = field(default=(), kw_only=True)
    kept: dict[str, np.ndarray] = field(default_factory=dict, kw_only=True)
    balance: dict[str, np.ndarray] = field(default_factory=dict, kw_only=True)

    @property
    def input(self) -> InputSpec:
        """Of the only input. Raises `ModelError` where there are several."""
        assert self.graph.input
        return self.inputs[0]


@dataclass(frozen=True, eq=False)
class Detector(Network):
    """A network with one decision per important class, in the user's order: its results are scores and whether each
    reaches its threshold. `float_ranges` keeps the calibrated (low, high) per tensor for reports."""

    decisions: tuple[Decision, ...]
    float_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def logits(self) -> Tensor:
        """The output that decides. Raises `ModelError` where that is not a vector of logits."""
        return logits_of(self.graph, self.decisions[0].output)


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


def check_raw(network: Network, x: np.ndarray) -> None:
    """Raises `DataError` where samples `x` (n, ...), of several inputs records (n,), do not fit the model's inputs."""
    names = network.graph.inputs
    check_names(x, names)
    single = len(names) == 1
    for spec, (name, part) in zip(network.inputs, by_name(x, names).items(), strict=True):
        _check_part(spec, "x" if single else name, part)


def check_names(x: np.ndarray, names: tuple[str, ...]) -> None:
    """Raises `DataError` unless `x` has the samples of the inputs called `names`, of one input plain samples."""
    if (x.dtype.names or ("x",)) != (names if len(names) > 1 else ("x",)):
        wanted = "one array x" if len(names) == 1 else f"an array for each input: {', '.join(names)}"
        raise DataError(f"the data have {described(x)}; the model takes {wanted} (docs/data.md)")


def _check_part(spec: InputSpec, name: str, x: np.ndarray) -> None:
    if x.shape[1:] != spec.shape:
        raise DataError(f"{name} has samples of shape {x.shape[1:]}, the model expects {spec.shape}")
    if x.dtype.name != spec.dtype:
        raise DataError(
            f"{name} has dtype {x.dtype.name}, the model was made for {spec.dtype}; "
            f"convert with {name}.astype('{spec.dtype}')"
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


def quantize_inputs(network: Network, raw: np.ndarray) -> np.ndarray:
    """`quantize_input` of every input: samples (n, ...), or records (n,), as the executors take them."""
    names = network.graph.inputs
    parts = by_name(raw, names)
    kinds = [network.graph.tensors[name].integer for name in names]
    return joined({n: quantize_input(s, k, parts[n]) for n, s, k in zip(names, network.inputs, kinds, strict=True)})


def decisions_of(network: Network) -> tuple[Decision, ...]:
    """Its decisions; none of a network that decides nothing."""
    return network.decisions if isinstance(network, Detector) else ()


def scores_of(network: Network, outputs: dict[str, np.ndarray]) -> np.ndarray:
    """int32 scores (n, decisions) of the integer outputs (n, ...) by tensor; no columns where the network decides nothing."""
    if not isinstance(network, Detector):
        return np.zeros((len(next(iter(outputs.values()))), 0), np.int32)
    logits = network.logits
    own = [integer_scores(d, logits.integer, outputs[logits.name]) for d in network.decisions]
    return np.stack(own, axis=1).astype(np.int32)


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


def logits_of(graph: Graph, output: int) -> Tensor:
    """The graph's output number `output`. Raises `ModelError` where that is not a vector of logits."""
    tensor = graph.tensors[graph.outputs[output]]
    if len(tensor.shape) != 1:
        raise ModelError(f"{graph.name}: the output has shape {tensor.shape}; a detector returns logits (k,)")
    return tensor


def deciding_output(names: Sequence[str], wanted: str | None) -> int:
    """Number of the output that decides, called or numbered `wanted`. Raises `UsageError` where that does not say which."""
    if wanted is None and len(names) == 1:
        return 0
    if wanted in names:
        return names.index(wanted)
    if wanted is not None and wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    said = "the model has" if wanted is None else f"--decides {wanted}: the model has"
    raise UsageError(
        f"{said} {len(names)} outputs; say which one decides with --decides: "
        + ", ".join(f"{name} ({i})" for i, name in enumerate(names))
    )
