"""The last rows of an image moved to its beginning, in its own memory: what a window that rolls over an image keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Op, Packed
from cpcc.ops.max_pool2d import same_type
from cpcc.ops.row_slice import check_outer


@dataclass(frozen=True)
class Roll:
    """The last `count` positions along `axis`; the axes before it have one position each."""

    axis: int
    count: int


def infer_shape(params: Roll, x: tuple[int, ...]) -> tuple[int, ...]:
    check_outer("roll", x, params.axis)
    if not 0 < params.count <= x[params.axis]:
        raise ModelError(f"roll: the last {params.count} positions of {x}")
    return (*x[: params.axis], params.count, *x[params.axis + 1 :])


def run(params: Roll, x: np.ndarray) -> np.ndarray:
    """Same dtype as `x` (n, ...); float and integer semantics are one."""
    rows = x.shape[params.axis + 1]
    return x.take(range(rows - params.count, rows), axis=params.axis + 1)


def check(node: Node, graph: Graph) -> None:
    """The input is gone afterwards."""
    source = node.inputs[0]
    later = graph.nodes[next(i for i, each in enumerate(graph.nodes) if each is node) + 1 :]
    if source in graph.outputs or any(source in each.inputs for each in later):
        raise ModelError(f"{node.name}: {source} is read after its rows were moved")


def pack(node: Node, graph: Graph) -> Packed:
    kept = graph.output_tensor(node).bytes
    return Packed({"first": graph.tensors[node.inputs[0]].bytes - kept, "bytes": kept})


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    kept = graph.output_tensor(node).bytes
    return 1.0, kept // 16, kept % 16 // 4, kept % 4


def sample(rng: np.random.Generator) -> tuple[Roll, tuple[tuple[int, ...], ...]]:
    shape = tuple(int(v) for v in rng.integers(1, 9, 3))
    return Roll(0, int(rng.integers(1, shape[0] + 1))), (shape,)


OP = Op(
    name="roll",
    float_params=Roll,
    int8_params=Roll,
    infer_shape=infer_shape,
    run_float=run,
    run_int8=run,
    quantize=lambda params, inputs, output: params,
    sample=sample,
    kernels=(Kernel("roll", pack, fitted("roll", features), bytewise=True, shared=("include/cpcc_dsp.h",)),),
    output_type=same_type,
    check=check,
    shares=lambda node, graph: (0,),
)
