"""Which tensors share memory: views, parts of a whole, what works in place, and the bands of a striped layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.base import Op, Overlap
from cpcc.ops.row_join import RowJoin
from cpcc.ops.row_slice import RowSlice


@dataclass(frozen=True)
class Need:
    """What a node's kernel asks of the arena beside its tensors."""

    scratch_bytes: int = 0
    overlap: Overlap = field(default_factory=Overlap)


Needs = Mapping[str, Need]  # by node name; nodes without code may be absent


@dataclass(frozen=True)
class Place:
    """`offset` bytes behind the beginning of the memory called `buffer`."""

    buffer: str
    offset: int


class _Memory:
    """Tensors joined into memories: by tensor, what it lies in and how far behind that one's beginning."""

    def __init__(self, graph: Graph) -> None:
        self._within = {name: (name, 0) for name in graph.tensors}

    def find(self, name: str) -> tuple[str, int]:
        parent, offset = self._within[name]
        if parent == name:
            return name, 0
        root, more = self.find(parent)
        self._within[name] = (root, offset + more)
        return root, offset + more

    def join(self, name: str, other: str, distance: int) -> None:
        """`name` begins `distance` bytes behind `other`."""
        (a, at), (b, bt) = self.find(name), self.find(other)
        if a != b:
            self._within[a] = (b, bt + distance - at)
        else:
            assert at == bt + distance, f"{name} cannot lie in two places"

    def groups(self) -> list[list[tuple[str, int]]]:
        """(tensor, offset) of each memory, in the order of the graph's tensors."""
        found: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for name in self._within:
            root, offset = self.find(name)
            found[root].append((name, offset))
        return list(found.values())


def places(graph: Graph, needs: Needs) -> dict[str, Place]:
    """Where each tensor lies: in a buffer that bears the name of the first tensor at its beginning."""
    memory = _Memory(graph)
    for names in rolling(graph):
        for name in names[1:]:
            memory.join(name, names[0], 0)
    order = {name: i for i, name in enumerate((*graph.inputs, *(node.output for node in graph.nodes)))}
    for i, node in enumerate(graph.nodes):
        op = op_of(node, Int8)
        if op.shares is not None:
            for name, distance in zip(node.inputs, op.shares(node, graph), strict=True):
                memory.join(name, node.output, distance)
        elif _in_place(node, op, graph, needs) and not _needed_after(graph, i, memory):
            memory.join(node.output, node.inputs[0], 0)
    found = {}
    for group in memory.groups():
        low = min(offset for _, offset in group)
        name = min((name for name, offset in group if offset == low), key=order.__getitem__)
        found.update({member: Place(name, offset - low) for member, offset in group})
    return found


def rolling(graph: Graph) -> Iterator[list[str]]:
    """The windows of each striped layer, which take the same memory in turn."""
    inside = {name for node in graph.nodes if isinstance(node.params, RowJoin) for name in node.inputs[1:]}
    inside |= {node.output for node in graph.nodes if isinstance(node.params, RowSlice)}
    windows: dict[str, list[str]] = defaultdict(list)
    for name, band in graph.bands.items():
        if name not in inside:
            windows[band.tensor].append(name)
    yield from windows.values()


def _in_place(node: Node, op: Op, graph: Graph, needs: Needs) -> bool:
    """Whether the output may lie on the first input. Bands have their place."""
    if node.output in graph.bands or node.inputs[0] in graph.bands:
        return False
    more = graph.output_tensor(node).bytes - graph.tensors[node.inputs[0]].bytes
    return (more == 0 and op.in_place) or (more <= 0 and needs.get(node.name, Need()).overlap.in_place)


def _needed_after(graph: Graph, i: int, memory: _Memory) -> bool:
    """Whether after node `i` a node or the caller reads something of the memory of its first input."""
    root, _ = memory.find(graph.nodes[i].inputs[0])
    later = {name for node in graph.nodes[i + 1 :] for name in node.inputs} | set(graph.outputs)
    return any(memory.find(name)[0] == root for name in later)
