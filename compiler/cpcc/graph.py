"""The compiler's one data structure: a typed, immutable dataflow graph.

A `Graph` is a list of nodes in execution order. Shapes exclude the batch; images are channels-last
``(h, w, c)`` whatever the source format was, so that kernels meet one layout. A graph is real (front ends, optimizer:
every tensor is `Float32`) or integer (quantizer, planner, emitter, executors: every tensor is `Int8` or, where eight bits
do not suffice, `Int16`); where a function takes the `kind` of a graph, `Int8` stands for the integer one. A node's
parameters are its op's own frozen dataclass; which op a node is follows from the type of its parameters
(see `cpcc.ops`). `validate` runs after every stage.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from cpcc.errors import ModelError


@dataclass(frozen=True)
class Float32:
    """Real-valued tensor."""


def _check_scale(scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale {scale} is not a positive finite number")


@dataclass(frozen=True)
class Int8:
    """Affine int8 tensor: ``real = scale * (q - zero_point)`` (TFLite quantization specification)."""

    scale: float
    zero_point: int
    low: ClassVar[int] = -128
    high: ClassVar[int] = 127
    dtype: ClassVar[type[np.signedinteger]] = np.int8

    def __post_init__(self) -> None:
        _check_scale(self.scale)
        if not -128 <= self.zero_point <= 127:
            raise ValueError(f"zero point {self.zero_point} is outside int8")

    def quantize(self, real: np.ndarray) -> np.ndarray:
        """int8 array of `real`'s shape, rounded half to even and saturated."""
        q = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        return np.clip(q, -128, 127).astype(np.int8)

    def dequantize(self, q: np.ndarray) -> np.ndarray:
        """float64 array of `q`'s shape."""
        return (np.asarray(q, np.float64) - self.zero_point) * self.scale


@dataclass(frozen=True)
class Int16:
    """Symmetric int16 tensor: ``real = scale * q`` (TFLite quantization specification, 16-bit activations)."""

    scale: float
    zero_point: ClassVar[int] = 0
    low: ClassVar[int] = -32768
    high: ClassVar[int] = 32767
    dtype: ClassVar[type[np.signedinteger]] = np.int16

    def __post_init__(self) -> None:
        _check_scale(self.scale)

    def quantize(self, real: np.ndarray) -> np.ndarray:
        """int16 array of `real`'s shape, rounded half to even and saturated."""
        q = np.rint(np.asarray(real, np.float64) / self.scale)
        return np.clip(q, self.low, self.high).astype(np.int16)

    def dequantize(self, q: np.ndarray) -> np.ndarray:
        """float64 array of `q`'s shape."""
        return np.asarray(q, np.float64) * self.scale


Integer = Int8 | Int16


@dataclass(frozen=True)
class Tensor:
    """A value of the graph. `shape` excludes the batch: ``(features,)`` or ``(h, w, c)``."""

    name: str
    shape: tuple[int, ...]
    type: Float32 | Integer

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def integer(self) -> Integer:
        """The type of a tensor of an integer graph."""
        assert not isinstance(self.type, Float32), f"{self.name} is not quantized"
        return self.type

    @property
    def bytes(self) -> int:
        """Memory of a tensor of an integer graph."""
        return self.size * np.dtype(self.integer.dtype).itemsize


@dataclass(frozen=True, eq=False)
class Node:
    """One operation. `name` is the source model's name for it; `source` says where it came from in words."""

    name: str
    params: Any
    inputs: tuple[str, ...]
    output: str
    source: str = ""


@dataclass(frozen=True)
class Band:
    """Positions `start` to `stop` along `axis` of what the node `layer` of a graph that is not striped computes (or of an
    input of it): of its tensor called `tensor`."""

    tensor: str
    layer: str
    axis: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in execution order over named tensors. `bands` says of a striped graph's tensors which are parts of others, of
    the graph that it was made from (`cpcc.stripes`)."""

    name: str
    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    bands: dict[str, Band] = field(default_factory=dict)

    def input_tensors(self, node: Node) -> tuple[Tensor, ...]:
        return tuple(self.tensors[name] for name in node.inputs)

    def output_tensor(self, node: Node) -> Tensor:
        return self.tensors[node.output]

    def consumers(self, tensor: str) -> Iterator[Node]:
        return (node for node in self.nodes if tensor in node.inputs)

    @property
    def input(self) -> Tensor:
        """The only input. Raises `ModelError` where the graph has several."""
        return self.tensors[_only(self.inputs, "input", self.name)]

    @property
    def output(self) -> Tensor:
        """The only output. Raises `ModelError` where the graph has several."""
        return self.tensors[_only(self.outputs, "output", self.name)]


def _only(names: tuple[str, ...], what: str, graph: str) -> str:
    if len(names) != 1:
        raise ModelError(f"{graph}: {len(names)} {what}s ({', '.join(names)}); supported: 1")
    return names[0]


def validate(graph: Graph, kind: type[Float32] | type[Int8]) -> Graph:
    """`graph` itself, proved well formed: every tensor of the `kind`, defined once before use, shapes as the
    ops infer them, and every op's own check passed. Raises `ModelError` naming the node."""
    from cpcc.ops import op_of  # ops import this module

    defined = set(graph.inputs)
    for node in graph.nodes:
        op = op_of(node, kind)
        missing = [name for name in node.inputs if name not in defined]
        if missing:
            raise ModelError(f"{node.name}: input {missing[0]} is used before it is computed")
        if node.output in defined:
            raise ModelError(f"{node.name}: tensor {node.output} is computed twice")
        inferred = op.infer_shape(node.params, *(t.shape for t in graph.input_tensors(node)))
        if inferred != graph.output_tensor(node).shape:
            raise ModelError(f"{node.name}: shape {graph.output_tensor(node).shape} declared, {inferred} computed")
        op.check(node, graph)
        defined.add(node.output)
    for name in graph.outputs:
        if name not in defined:
            raise ModelError(f"{graph.name}: output {name} is never computed")
    for name, tensor in graph.tensors.items():
        if name not in defined:
            raise ModelError(f"{graph.name}: tensor {name} is never computed")
        if name != tensor.name or isinstance(tensor.type, Float32) != (kind is Float32):
            raise ModelError(f"{graph.name}: tensor {name} is {tensor.type}, expected {kind.__name__}")
        if not tensor.shape or min(tensor.shape) < 1:
            raise ModelError(f"{graph.name}: tensor {name} has the empty shape {tensor.shape}")
    return graph
