"""Any function of one int8 value as a table of its 256 results: ``y = table[x + 128]``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Int8, Node
from cpcc.ops import wide_lookup
from cpcc.ops.activations import FUNCTIONS
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Lookup


@dataclass(frozen=True, eq=False)
class QLookup:
    """`table` (256,) int8 holds the output for -128, -127, ... 127."""

    table: np.ndarray


def infer_shape(params: Lookup | QLookup, x: tuple[int, ...]) -> tuple[int, ...]:
    return x


def run_float(params: Lookup, x: np.ndarray) -> np.ndarray:
    function = FUNCTIONS[params.function] if isinstance(params.function, str) else params.function
    return function(np.asarray(x, np.float64), *params.arguments)


def run_int8(params: QLookup, x: np.ndarray) -> np.ndarray:
    return params.table[x.astype(np.int16) + 128]


def quantize(params: Lookup, inputs: tuple[Int8, ...], output: Int8) -> QLookup:
    with np.errstate(over="ignore", invalid="ignore"):  # saturates; what is no number is reported
        results = run_float(params, inputs[0].dequantize(np.arange(-128, 128)))
    if np.isnan(results).any():
        raise OverflowError("the function is no number for an input that can occur")
    return QLookup(output.quantize(results))


def pack(node: Node, graph: Graph) -> Packed:
    return Packed({"size": graph.output_tensor(node).size, "table": node.params.table})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, graph.output_tensor(node).size


def sample(rng: np.random.Generator) -> tuple[Lookup, tuple[tuple[int, ...], ...]]:
    function = str(rng.choice(["identity", "leaky_relu", "hardswish", "tanh", "clip"]))
    arguments = {"leaky_relu": (0.1,), "clip": (-0.3, 0.8)}.get(function, ())
    shape = tuple(int(v) for v in rng.integers(1, 6, int(rng.choice([1, 3]))))
    return Lookup(function, arguments), (shape,)


OP = Op(
    name="lookup",
    float_params=Lookup,
    int8_params=QLookup,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(Kernel("lookup", pack, fitted("lookup", features)),),
    in_place=True,
    wide=wide_lookup.form(infer_shape, run_float, sample),
)
