"""The range of every tensor over the calibration samples, by one of four methods.

All but the first clip what is rare, to spend the 256 values on what is common. The network's own outputs always keep their
full range: a clipped logit would cost the order of the samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpcc.graph import Float32, Graph
from cpcc.quant.common_types import decider
from cpcc.quant.running import Ranges, batches, run_nodes
from cpcc.quant.types import affine_int8

BINS = 2048
KEPT = 0.9999  # of the values, by `percentile`
FRACTIONS = np.linspace(1.0, 0.05, 96)  # of either end of the full range, tried by `mse` and `kl`
ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Histogram:
    """`counts` (BINS,) of the values between `low` and `high`."""

    counts: np.ndarray
    low: float
    high: float

    @property
    def centres(self) -> np.ndarray:
        """(BINS,) middle of each bin."""
        edges = np.linspace(self.low, self.high, BINS + 1)
        return (edges[1:] + edges[:-1]) / 2


def percentile(histogram: Histogram) -> tuple[float, float]:
    """Range without the rarest values: `KEPT` of them stay, the same share goes at either end."""
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    first = int(np.searchsorted(share, (1 - KEPT) / 2, side="right"))
    last = int(np.searchsorted(share, (1 + KEPT) / 2))
    edges = np.linspace(histogram.low, histogram.high, BINS + 1)
    return float(edges[first]), float(edges[min(last, BINS - 1) + 1])


def mean_squared_error(histogram: Histogram, low: float, high: float) -> float:
    """Of values rounded and saturated to the int8 type that covers [low, high]."""
    kind, values = affine_int8(low, high), histogram.centres
    error = kind.dequantize(kind.quantize(values)) - values
    return float((histogram.counts * error**2).sum())


def divergence(histogram: Histogram, low: float, high: float) -> float:
    """Kullback-Leibler divergence from the clipped values to their 256 levels (Migacz, "8-bit inference with TensorRT",
    GTC 2017): what is clipped counts at the ends, and a level spreads evenly over the bins that hold anything."""
    kind, values = affine_int8(low, high), histogram.centres
    level = kind.quantize(values).astype(np.int64) + 128
    inside = (values >= min(low, 0.0)) & (values <= max(high, 0.0))
    # As there, the bin of zero does not count: behind a ReLU it would outweigh all others.
    counts = np.where(np.abs(values) > (values[1] - values[0]) / 2, histogram.counts, 0.0)
    clipped = np.where(inside, counts, 0.0)
    used = clipped > 0
    per_level, bins = np.bincount(level[used], clipped[used], 256), np.bincount(level[used], minlength=256)
    spread = per_level[level[used]] / bins[level[used]]
    reference = clipped[used].copy()
    if not used.any():
        return math.inf
    below, above = counts[values < low].sum(), counts[values > high].sum()
    reference[0] += below
    reference[-1] += above
    p, q = reference / reference.sum(), spread / spread.sum()
    return float((p * np.log(p / q)).sum())


def _best(loss: Callable[[Histogram, float, float], float]) -> Callable[[Histogram], tuple[float, float]]:
    def choose(histogram: Histogram) -> tuple[float, float]:
        """The ends with the least loss, found one end at a time; the larger where two are equal."""
        low, high = histogram.low, histogram.high
        for _ in range(ROUNDS):
            high = min((f * histogram.high for f in FRACTIONS), key=lambda end: loss(histogram, low, end))
            low = min((f * histogram.low for f in FRACTIONS), key=lambda end: loss(histogram, end, high))
        return low, high

    return choose


METHODS: dict[str, Callable[[Histogram], tuple[float, float]]] = {
    "minmax": lambda histogram: (histogram.low, histogram.high),
    "percentile": percentile,
    "mse": _best(mean_squared_error),
    "kl": _best(divergence),
}


def calibrate(graph: Graph, x: np.ndarray, method: str = "minmax") -> Ranges:
    """(low, high) of every tensor over the channels-last float samples `x` (n, ...) by a method of `METHODS`."""
    full = _extremes(graph, x)
    if method == "minmax":
        return full
    histograms = _histograms(graph, x, full)
    whole = {*graph.outputs, *(decider(graph, name) for name in graph.outputs)}
    clipped = {name: METHODS[method](h) for name, h in histograms.items() if name not in whole}
    return full | clipped


def _extremes(graph: Graph, x: np.ndarray) -> Ranges:
    ranges: Ranges = {}
    for batch in batches(x):
        for name, value in run_nodes(graph, Float32, batch).items():
            low, high = ranges.get(name, (math.inf, -math.inf))
            ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
    return ranges


def _histograms(graph: Graph, x: np.ndarray, full: Ranges) -> dict[str, Histogram]:
    """Of every tensor that is not constant."""
    counts = {name: np.zeros(BINS) for name, (low, high) in full.items() if high > low}
    for batch in batches(x):
        values = run_nodes(graph, Float32, batch)
        for name, total in counts.items():
            total += np.histogram(values[name], BINS, full[name])[0]
    return {name: Histogram(total, *full[name]) for name, total in counts.items()}
