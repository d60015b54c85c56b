"""What the arena must hold: buffers, how long each lives, and which may lie over which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cpcc.graph import Graph, Int8
from cpcc.ops import op_of
from cpcc.ops.base import Overlap

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
class Need:
    """What a node's kernel asks of the arena beside its tensors."""

    scratch_bytes: int = 0
    overlap: Overlap = field(default_factory=Overlap)


Needs = Mapping[str, Need]  # by node name; nodes without code may be absent


@dataclass(frozen=True)
class Lag:
    """Buffer `behind` may lie over buffer `ahead` if it begins at least `distance` bytes after it."""

    ahead: str
    behind: str
    distance: int


def round_up(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def scratch_name(node: str) -> str:
    return f"scratch:{node}"


def aliases(graph: Graph, needs: Needs) -> dict[str, str]:
    """Each tensor's buffer owner: what works in place writes over its input where nothing else reads that later."""
    owner = {name: name for name in graph.tensors}
    for i, node in enumerate(graph.nodes):
        source, op = node.inputs[0], op_of(node, Int8)
        more = graph.output_tensor(node).bytes - graph.tensors[source].bytes
        in_place = (more == 0 and op.in_place) or (more <= 0 and needs.get(node.name, Need()).overlap.in_place)
        must_share = not op.kernels  # no code copies it
        if must_share or (in_place and not _needed_after(graph, i, owner, owner[source])):
            owner[node.output] = owner[source]
    return owner


def _needed_after(graph: Graph, i: int, owner: dict[str, str], buffer: str) -> bool:
    """Whether a later node or the caller reads a tensor of `buffer`: the source itself, or a reshape of it."""
    later = {name for node in graph.nodes[i + 1 :] for name in node.inputs} | set(graph.outputs)
    return any(owner[name] == buffer for name in later)


def live_buffers(graph: Graph, needs: Needs) -> list[Buffer]:
    """Buffers with their lifetimes: of the tensors, in order of their owners, then scratch."""
    owner = aliases(graph, needs)
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
    scratch = {name: need.scratch_bytes for name, need in needs.items() if need.scratch_bytes}
    return buffers + [Buffer(scratch_name(n), size, index[n], index[n]) for n, size in scratch.items()]


def lags(graph: Graph, needs: Needs, buffers: list[Buffer]) -> list[Lag]:
    """The pairs that may lie over each other: an input that dies with a node, and that node's output or scratch."""
    owner = aliases(graph, needs)
    by_name = {buffer.name: buffer for buffer in buffers}
    found = []
    for i, node in enumerate(graph.nodes):
        overlap = needs.get(node.name, Need()).overlap
        source, output, scratch = owner[node.inputs[0]], owner[node.output], scratch_name(node.name)
        if by_name[source].last > i or source in {owner[name] for name in node.inputs[1:]}:
            continue
        if overlap.output is not None and by_name[output].first == i:
            found.append(Lag(output, source, round_up(overlap.output)))
        if overlap.scratch is not None and scratch in by_name:
            found.append(Lag(scratch, source, round_up(overlap.scratch)))
    return found
