"""A function of one int8 value for each channel, as a table of its 256 results: ``y[i] = tables[index[i % channels]][x[i] + 128]``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.graph import Graph, Int8, Node
from cpcc.ops.activations import FUNCTIONS
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import ChannelLookup


@dataclass(frozen=True, eq=False)
class QChannelLookup:
    """`tables` (k, 256) int8 hold the outputs for -128 ... 127, each different one once; `index` (channels,) uint8 says which
    is a channel's. Channels may be all that lies behind an axis: the elements of a sample take them in turn."""

    tables: np.ndarray
    index: np.ndarray

    @staticmethod
    def of(per_channel: np.ndarray) -> QChannelLookup:
        """From one table (channels, 256) per channel. Raises `OverflowError` where more than 256 differ."""
        tables, index = np.unique(per_channel, axis=0, return_inverse=True)
        if len(tables) > 256:
            raise OverflowError(f"{len(tables)} different functions; supported: 256")
        return QChannelLookup(np.ascontiguousarray(tables, np.int8), index.reshape(-1).astype(np.uint8))


def infer_shape(params: ChannelLookup | QChannelLookup, x: tuple[int, ...]) -> tuple[int, ...]:
    channels = len(params.index) if isinstance(params, QChannelLookup) else params.channels
    if math.prod(x) % channels:
        raise ModelError(f"channel_lookup: {channels} channels do not divide the input {x}")
    return x


def run_float(params: ChannelLookup, x: np.ndarray) -> np.ndarray:
    flat = np.asarray(x, np.float64).reshape(len(x), -1, params.channels)
    return FUNCTIONS[params.function](flat, *params.arguments).reshape(x.shape)


def run_int8(params: QChannelLookup, x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1, len(params.index)).astype(np.int64) + 128
    return params.tables[params.index, flat].reshape(x.shape)


def quantize(params: ChannelLookup, inputs: tuple[Int8, ...], output: Int8) -> QChannelLookup:
    every = inputs[0].dequantize(np.arange(-128, 128))
    return QChannelLookup.of(
        output.quantize(FUNCTIONS[params.function](every, *(a[:, None] for a in params.arguments)))
    )


def pack(node: Node, graph: Graph) -> Packed:
    p, size = node.params, graph.output_tensor(node).size
    return Packed({"pixels": size // len(p.index), "channels": len(p.index), "tables": p.tables, "index": p.index})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    size = graph.output_tensor(node).size
    return 1.0, size / len(node.params.index), size


def sample(rng: np.random.Generator) -> tuple[ChannelLookup, tuple[tuple[int, ...], ...]]:
    shape = tuple(int(v) for v in rng.integers(1, 6, int(rng.choice([1, 3]))))
    channels = math.prod(shape[-int(rng.integers(1, len(shape) + 1)) :])
    function, count = (("line", 2), ("leaky_relu", 1))[int(rng.integers(2))]
    values = rng.choice(rng.normal(0, 1, 3), (count, channels)).astype(np.float32)
    return ChannelLookup(function, tuple(values)), (shape,)


OP = Op(
    name="channel_lookup",
    float_params=ChannelLookup,
    int8_params=QChannelLookup,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(Kernel("channel_lookup", pack, fitted("channel_lookup", features)),),
    in_place=True,
)
