"""The float graph being built: values of the source model, and the nodes that compute them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cpcc.frontends.channels_first.layout import Factors, merged, ordered, per_axis, positions
from cpcc.frontends.channels_first.site import Site
from cpcc.frontends.ports import output_names
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops import float_params as fp


@dataclass(frozen=True)
class Value:
    """A tensor of the source model as the graph has it: `shape` is the source's, `factors` say where its elements lie in
    the memory of the graph's `tensor` (see `layout`). Values with the same `storage` are views of one memory: an in-place
    operation changes them all."""

    tensor: str
    shape: tuple[int, ...]
    factors: Factors
    storage: int


@dataclass
class GraphBuilder:
    """Appends tensors and nodes to the graph `name`; `copies` are the strided copies made so far, to share them."""

    name: str
    copies: dict[tuple[str, Any], str] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    storages: int = 0

    def graph(self) -> Graph:
        return Graph(self.name, self.tensors, tuple(self.nodes), tuple(self.inputs), tuple(self.outputs))

    def add_outputs(self, values: Sequence[Value], names: Sequence[str]) -> None:
        """The graph's outputs, each a vector in the source's order. Several are called `names`: tensors of their own, which
        share the memory of what they are."""
        vectors = [self.vector(value, Site("output", "output", "", self.name)).tensor for value in values]
        if len(vectors) == 1:
            self.outputs.append(vectors[0])
            return
        for vector, name in zip(vectors, output_names(names, list(self.tensors)), strict=True):
            self.tensors[name] = Tensor(name, self.tensors[vector].shape, Float32())
            self.append(f"output.{name}", fp.Reshape(self.tensors[vector].shape), (vector,), name, "")
            self.outputs.append(name)

    # nodes

    def new_storage(self) -> int:
        self.storages += 1
        return self.storages

    def fresh(self, tensor: str, shape: tuple[int, ...], sizes: Sequence[int], order: Sequence[int]) -> Value:
        """A new graph tensor for the source's `shape`, whose axes `sizes` lie in memory in `order`."""
        self.tensors[tensor] = Tensor(tensor, tuple(sizes[axis] for axis in order), Float32())
        return Value(tensor, shape, ordered(sizes, order), self.new_storage())

    def emit(self, site: Site, params: Any, source: Value, shape: tuple[int, ...]) -> Value:
        """Appends a node that computes a vector of the source's `shape`."""
        result = self.fresh(site.output, shape, (math.prod(shape),), (0,))
        self.append(site.name, params, (source.tensor,), site.output, site.line)
        return result

    def emit_image(
        self, site: Site, params: Any, sources: Sequence[Value], shape: tuple[int, ...], image: tuple[int, ...]
    ) -> Value:
        """Appends a node that computes the image (c, h, w), the source's `shape`, channels-last."""
        result = self.fresh(site.output, shape, image, (1, 2, 0))
        self.append(site.name, params, tuple(s.tensor for s in sources), site.output, site.line)
        return result

    def emit_like(self, site: Site, params: Any, source: Value) -> Value:
        """Appends a node whose output lies as its input does."""
        self.tensors[site.output] = Tensor(site.output, self.tensors[source.tensor].shape, Float32())
        self.append(site.name, params, (source.tensor,), site.output, site.line)
        return replace(source, tensor=site.output, storage=self.new_storage())

    def append(self, name: str, params: Any, sources: tuple[str, ...], output: str, line: str) -> None:
        taken = {node.name for node in self.nodes}
        unique, count = name, 2
        while unique in taken:
            unique, count = f"{name}_{count}", count + 1
        self.nodes.append(Node(unique, params, sources, output, line))

    # layout

    def reshaped(self, value: Value, shape: tuple[int, ...], site: Site) -> Value:
        """`value` in a graph tensor of `shape`: same bytes."""
        if self.tensors[value.tensor].shape == shape:
            return value
        output = f"{value.tensor}.{'x'.join(map(str, shape))}"
        if output not in self.tensors:
            self.tensors[output] = Tensor(output, shape, Float32())
            self.append(f"{site.name}.reshape", fp.Reshape(shape), (value.tensor,), output, site.line)
        return replace(value, tensor=output)

    def laid_out(
        self,
        value: Value,
        sizes: Sequence[int],
        order: Sequence[int],
        site: Site,
        shape: tuple[int, ...] | None = None,
    ) -> Value:
        """`value` in a graph tensor whose memory holds the source's axes `sizes` in `order`: a copy only where it must be.

        The tensor has `shape`, or where that is None the axes' sizes in `order`."""
        wanted = ordered(sizes, order)
        shape = tuple(sizes[axis] for axis in order) if shape is None else shape
        if merged(value.factors) == wanted:
            return self.reshaped(value, shape, site)
        axes = per_axis(value.factors, sizes)
        if axes is None:
            value = self.laid_out(value, (math.prod(sizes),), (0,), site)
            return self.laid_out(value, sizes, order, site, shape)
        loops = merged([factor for axis in order for factor in axes[axis]])
        return replace(self.copied(value, shape, loops, 0, site), factors=wanted)

    def copied(
        self, value: Value, shape: tuple[int, ...], loops: tuple[tuple[int, int], ...], offset: int, site: Site
    ) -> Value:
        """`value`'s memory through a `StridedCopy`; the factors are the caller's to set."""
        params = fp.StridedCopy(shape, loops, offset)
        output = self.copies.get((value.tensor, params))
        if output is None:
            output = f"{value.tensor}.copy{len(self.copies)}"
            self.copies[(value.tensor, params)] = output
            self.tensors[output] = Tensor(output, shape, Float32())
            self.append(f"{site.name}.copy", params, (value.tensor,), output, site.line)
        return replace(value, tensor=output)

    def padded(self, site: Site, value: Value, params: fp.Pad) -> Value:
        """An image tensor with zeros around or between its pixels; itself where `params` add none."""
        if not any(params.before + params.after + params.between):
            return value
        shape = self.tensors[value.tensor].shape
        sizes = zip(shape, params.before, params.after, params.between)
        output = f"{site.output}.padded"
        self.tensors[output] = Tensor(output, tuple(b + (n - 1) * (g + 1) + 1 + a for n, b, a, g in sizes), Float32())
        self.append(f"{site.name}.pad", params, (value.tensor,), output, site.line)
        return replace(value, tensor=output)

    def vector(self, value: Value, site: Site) -> Value:
        """`value` as a vector in the source's order."""
        return self.laid_out(value, (math.prod(value.shape),), (0,), site)

    def image(self, site: Site, value: Value, spatial: int = 2) -> tuple[Value, tuple[int, int, int]]:
        """`value` as a channels-last image tensor, and its (c, h, w); h is 1 where `spatial` is 1."""
        rank = spatial + 1
        if len(value.shape) not in (rank, rank + 1) or math.prod(value.shape[:-rank]) != 1:
            raise site.refuse("input shape", value.shape, "(1, c, h, w)" if spatial == 2 else "(1, c, length)")
        c, h, w = value.shape[-3:] if spatial == 2 else (value.shape[-2], 1, value.shape[-1])
        return self.laid_out(value, (c, h, w), (1, 2, 0), site), (c, h, w)

    def memory_order(self, value: Value, per_element: np.ndarray) -> np.ndarray:
        """`per_element` (..., n), one per element in the source's order, as they lie in memory."""
        result = np.empty_like(per_element)
        result[..., positions(value.factors)] = per_element
        return result

    def dense(self, value: Value) -> bool:
        """Whether the value is all of its graph tensor, each element once (an expanded tensor is not)."""
        return math.prod(value.shape) == self.tensors[value.tensor].size

    def dense_or_vector(self, value: Value, site: Site) -> Value:
        """`value` itself where it is dense, else copied out as a vector."""
        return value if self.dense(value) else self.vector(value, site)
