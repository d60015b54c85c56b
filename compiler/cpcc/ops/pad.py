"""Zeros around an image, along its channels, and between its pixels (for transposed convolutions)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.graph import Graph, Integer, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Pad
from cpcc.ops.max_pool2d import same_type


@dataclass(frozen=True)
class QPad:
    """`pad` as in the float graph; the new elements hold `zero_point`."""

    pad: Pad
    zero_point: int


def infer_shape(params: Pad | QPad, x: tuple[int, ...]) -> tuple[int, ...]:
    p = params.pad if isinstance(params, QPad) else params
    if len(x) != 3 or min(p.before + p.after + p.between) < 0:
        raise ModelError(f"pad: {p} of the input {x}; supported: (h, w, channels) and no negative padding")
    return tuple(b + (size - 1) * (gap + 1) + 1 + a for size, b, a, gap in zip(x, p.before, p.after, p.between))


def _spread(p: Pad, x: np.ndarray, value: float) -> np.ndarray:
    y = np.full((len(x), *infer_shape(p, x.shape[1:])), value, x.dtype)
    places = tuple(slice(b, b + (size - 1) * (gap + 1) + 1, gap + 1)
                   for size, b, gap in zip(x.shape[1:], p.before, p.between))  # fmt: skip
    y[(slice(None), *places)] = x
    return y


def run_float(params: Pad, x: np.ndarray) -> np.ndarray:
    return _spread(params, x, 0.0)


def run_int8(params: QPad, x: np.ndarray) -> np.ndarray:
    return _spread(params.pad, x, params.zero_point)


def quantize(params: Pad, inputs: tuple[Integer, ...], output: Integer) -> QPad:
    return QPad(params, inputs[0].zero_point)


def pack(node: Node, graph: Graph) -> Packed:
    h, w, c = graph.input_tensors(node)[0].shape
    _, out_w, out_c = graph.output_tensor(node).shape
    p: Pad = node.params.pad
    start = (p.before[0] * out_w + p.before[1]) * out_c + p.before[2]
    return Packed({
        "h": h, "w": w, "channels": c, "out_size": graph.output_tensor(node).size, "value": node.params.zero_point,
        "start": start, "step_h": (p.between[0] + 1) * out_w * out_c, "step_w": (p.between[1] + 1) * out_c,
        "step_c": p.between[2] + 1,
    })  # fmt: skip


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    h, w, channels = graph.input_tensors(node)[0].shape
    return 1.0, graph.output_tensor(node).size, h, h * w, h * w * channels


def sample(rng: np.random.Generator) -> tuple[Pad, tuple[tuple[int, ...], ...]]:
    before, after, between = (tuple(int(v) for v in rng.integers(0, 3, 3)) for _ in range(3))
    shape = tuple(int(v) for v in rng.integers(1, 6, 3))
    return Pad(before, after, between), (shape,)  # type: ignore[arg-type]


OP = Op(
    name="pad",
    float_params=Pad,
    int8_params=QPad,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("pad_spread", pack, fitted("pad_spread", features)),
        Kernel(
            "pad_spread_wide",
            pack,
            fitted("pad_spread_wide", features),
            wide=True,
            shared=("kernels/cpcc_pad_spread.h",),
        ),
    ),
    output_type=same_type,
)
