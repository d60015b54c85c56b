"""Arena offsets: every tensor and scratch buffer gets a place, reused once its last reader has run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cpcc.graph import Graph, Int8
from cpcc.ops import op_of

ALIGN = 8  # LDRD and the 64-bit loads of later kernels


@dataclass(frozen=True)
class Buffer:
    """`size` bytes needed from node `first` to node `last` (inclusive); -1 is before the first node."""

    name: str
    size: int
    first: int
    last: int

    def overlaps(self, other: Buffer) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Arena:
    """Byte offsets by tensor name (scratch by ``scratch:<node>``), the total, and the bound no plan can beat."""

    offsets: dict[str, int]
    size: int
    lower_bound: int


def round_up(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def aliases(graph: Graph) -> dict[str, str]:
    """Each tensor's buffer owner: an in-place op writes over its input where nothing else reads that later."""
    owner = {name: name for name in graph.tensors}
    for i, node in enumerate(graph.nodes):
        source = node.inputs[0]
        must_share = not op_of(node, Int8).kernels  # no code copies it
        if must_share or (op_of(node, Int8).in_place and not _needed_after(graph, i, owner, owner[source])):
            owner[node.output] = owner[source]
    return owner


def _needed_after(graph: Graph, i: int, owner: dict[str, str], buffer: str) -> bool:
    """Whether a later node or the caller reads a tensor of `buffer`: the source itself, or a reshape of it."""
    later = {name for node in graph.nodes[i + 1 :] for name in node.inputs} | set(graph.outputs)
    return any(owner[name] == buffer for name in later)


def live_buffers(graph: Graph, scratch: dict[str, int]) -> list[Buffer]:
    """Buffers with their lifetimes; `scratch` is bytes by node name."""
    owner = aliases(graph)
    first = {owner[name]: -1 for name in graph.inputs}
    last: dict[str, int] = dict(first)
    for i, node in enumerate(graph.nodes):
        first.setdefault(owner[node.output], i)
        for name in (*node.inputs, node.output):
            last[owner[name]] = i
    for name in graph.outputs:
        last[owner[name]] = len(graph.nodes)
    buffers = [Buffer(name, graph.tensors[name].bytes, first[name], last[name]) for name in first]
    index = {node.name: i for i, node in enumerate(graph.nodes)}
    return buffers + [Buffer(f"scratch:{n}", size, index[n], index[n]) for n, size in scratch.items() if size]


def _lowest_gap(buffer: Buffer, placed: list[tuple[Buffer, int]]) -> int:
    offset = 0
    for other, at in sorted((p for p in placed if p[0].overlaps(buffer)), key=lambda p: p[1]):
        if offset + buffer.size <= at:
            break
        offset = max(offset, round_up(at + other.size))
    return offset


def _place(buffers: list[Buffer]) -> tuple[dict[str, int], int]:
    placed: list[tuple[Buffer, int]] = []
    for buffer in buffers:
        placed.append((buffer, _lowest_gap(buffer, placed)))
    size = max((round_up(at + b.size) for b, at in placed), default=ALIGN)
    return {b.name: at for b, at in placed}, size


ORDERS: tuple[Callable[[Buffer], tuple[int, ...]], ...] = (
    lambda b: (-b.size, b.first),
    lambda b: (-(b.last - b.first), -b.size),
    lambda b: (b.first, -b.size),
    lambda b: (-b.size * (b.last - b.first + 1), b.first),
)


def plan_arena(graph: Graph, scratch: dict[str, int]) -> Arena:
    """The smallest of several first-fit plans (size first, longest life first, execution order, area first)."""
    buffers = live_buffers(graph, scratch)
    offsets, size = min((_place(sorted(buffers, key=key)) for key in ORDERS), key=lambda plan: plan[1])
    steps = range(-1, len(graph.nodes) + 1)
    bound = max(sum(round_up(b.size) for b in buffers if b.first <= s <= b.last) for s in steps)
    owner = aliases(graph)
    offsets |= {name: offsets[owner[name]] for name in graph.tensors}
    return Arena(offsets, size, bound)
