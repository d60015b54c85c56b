"""What the arena must hold: buffers, and how long which of their bytes are needed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.roll import Roll
from cpcc.plan.places import Need, Needs, Place, places

ALIGN = 8  # LDRD and the 64-bit loads of later kernels

__all__ = ["ALIGN", "Buffer", "Lag", "Need", "Needs", "Span", "live_buffers", "round_up", "scratch_name"]


@dataclass(frozen=True)
class Span:
    """Bytes `low` to `high` of a buffer, needed from node `first` to node `last` (inclusive)."""

    low: int
    high: int
    first: int
    last: int


@dataclass(frozen=True)
class Buffer:
    """`size` bytes needed from node `first` to node `last` (inclusive); -1 is before the first node. `spans` say it byte
    by byte; none: all of it all the time."""

    name: str
    size: int
    first: int
    last: int
    spans: tuple[Span, ...] = ()

    def meets(self, other: Buffer) -> bool:
        """Whether something of both is needed at one step."""
        if self.first > other.last or other.first > self.last:
            return False
        return not (self.spans or other.spans) or any(
            a.first <= b.last and b.first <= a.last for a in self.parts for b in other.parts
        )

    @property
    def parts(self) -> tuple[Span, ...]:
        return self.spans or (Span(0, self.size, self.first, self.last),)


@dataclass(frozen=True)
class Lag:
    """Buffer `behind` may lie over buffer `ahead` if it begins at least `distance` bytes after it."""

    ahead: str
    behind: str
    distance: int


def round_up(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def scratch_name(node: Node, graph: Graph) -> str:
    """The scratch buffer of a node; the bands of a layer take it in turn."""
    band = graph.bands.get(node.output)
    return f"scratch:{band.layer if band else node.name}"


@dataclass
class _Use:
    """What happens to bytes `low` to `high` of a buffer at a step; at one step reads come first."""

    step: int
    writes: bool
    low: int
    high: int


def live_buffers(graph: Graph, needs: Needs) -> list[Buffer]:
    """Buffers with their lifetimes: of the tensors, in order of their owners, then scratch."""
    where = places(graph, needs)
    uses: dict[str, list[_Use]] = {place.buffer: [] for place in _in_order(graph, where)}

    def note(name: str, step: int, writes: bool, skipped: int = 0) -> None:
        at = where[name]
        uses[at.buffer].append(_Use(step, writes, at.offset + skipped, at.offset + graph.tensors[name].bytes))

    for name in graph.inputs:
        note(name, -1, True)
    scratch: dict[str, list[Span]] = defaultdict(list)
    for i, node in enumerate(graph.nodes):
        if op_of(node, Int8).kernels:
            for name in node.inputs:
                note(name, i, False, _unread(node, graph))
            note(node.output, i, True)
        size = needs.get(node.name, Need()).scratch_bytes
        if size:
            scratch[scratch_name(node, graph)].append(Span(0, size, i, i))
    for name in graph.outputs:
        note(name, len(graph.nodes), False)
    return [_buffer(name, _spans(found)) for name, found in uses.items()] + [
        _buffer(name, spans) for name, spans in scratch.items()
    ]


def _unread(node: Node, graph: Graph) -> int:
    """Bytes at the beginning of its input that a node does not read."""
    if not isinstance(node.params, Roll):
        return 0
    return graph.tensors[node.inputs[0]].bytes - graph.output_tensor(node).bytes


def _in_order(graph: Graph, where: dict[str, Place]) -> list[Place]:
    names = (*graph.inputs, *(node.output for node in graph.nodes))
    return [where[name] for name in names]


def _buffer(name: str, spans: list[Span]) -> Buffer:
    size, first, last = max(s.high for s in spans), min(s.first for s in spans), max(s.last for s in spans)
    whole = [Span(0, size, first, last)]
    return Buffer(name, size, first, last, () if spans == whole else tuple(spans))


def _spans(uses: list[_Use]) -> list[Span]:
    """Of a buffer's uses in order."""
    edges = sorted({edge for use in uses for edge in (use.low, use.high)})
    found: list[Span] = []
    before: list[tuple[int, int]] = []
    for low, high in pairwise(edges):
        lives = _lives([use for use in uses if use.low <= low and high <= use.high])
        if lives and lives == before:
            found = [*found[: -len(lives)], *(Span(s.low, high, s.first, s.last) for s in found[-len(lives) :])]
        else:
            found += [Span(low, high, first, last) for first, last in lives]
        before = lives
    return found


def _lives(uses: list[_Use]) -> list[tuple[int, int]]:
    """(first step, last step) of what is written and read; what is overwritten where it is read lives on."""
    lives: list[tuple[int, int]] = []
    for use in sorted(uses, key=lambda use: (use.step, use.writes)):
        if use.writes and not (lives and lives[-1][1] == use.step):
            lives.append((use.step, use.step))
        else:
            lives[-1] = (lives[-1][0], use.step)
    return lives
