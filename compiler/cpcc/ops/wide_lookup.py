"""Any function of one int16 value, interpolated between 513 entries: the form of `lookup` with int16 activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpcc.costs import fitted
from cpcc.graph import Graph, Int16, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.float_params import Lookup
from cpcc.ops.interpolated import FILES, LOW, STEP_BITS, interpolate, table_of

Shape = Callable[..., tuple[int, ...]]
Run = Callable[[Lookup, np.ndarray], np.ndarray]
Sample = Callable[[np.random.Generator], tuple[Any, tuple[tuple[int, ...], ...]]]


@dataclass(frozen=True, eq=False)
class QWideLookup:
    """`table` (513,) int16: the outputs for -32768, -32640, ... 32768."""

    table: np.ndarray


def run_int8(params: QWideLookup, x: np.ndarray) -> np.ndarray:
    return interpolate(params.table, x).astype(np.int16)


def pack(node: Node, graph: Graph) -> Packed:
    return Packed({"size": graph.output_tensor(node).size, "table": node.params.table})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    return 1.0, graph.output_tensor(node).size


def form(infer_shape: Shape, run_float: Run, sample: Sample) -> Op:
    """The op, with what it has in common with the int8 form."""

    def quantize(params: Lookup, inputs: tuple[Int16, ...], output: Int16) -> QWideLookup:
        start, step = np.float64(inputs[0].scale * LOW), np.float64(inputs[0].scale * 2**STEP_BITS)
        return QWideLookup(table_of(lambda x: run_float(params, x), start, step, np.float64(1 / output.scale)))

    return Op(
        name="lookup_wide",
        float_params=Lookup,
        int8_params=QWideLookup,
        infer_shape=infer_shape,
        run_float=run_float,
        run_int8=run_int8,
        quantize=quantize,
        sample=sample,
        kernels=(Kernel("lookup_wide", pack, fitted("lookup_wide", features), wide=True, shared=FILES),),
        in_place=True,
    )
