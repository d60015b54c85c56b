"""Which buffers may lie over each other, and how far apart they must begin: bytes that are needed at different times, and
an input that dies under its layer's output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.graph import Graph, Node
from cpcc.plan.buffers import Buffer, Lag, round_up, scratch_name
from cpcc.plan.places import Need, Needs, Place, places


@dataclass(frozen=True)
class _Meeting:
    """Node `step` reads `source` while it writes `target`, which may begin `distance` bytes before it, or more."""

    step: int
    source: Place
    source_bytes: int
    target: Place
    target_bytes: int
    distance: int


def lags(graph: Graph, needs: Needs, buffers: list[Buffer]) -> list[Lag]:
    """The pairs that may lie over each other though both are needed at some step."""
    where = places(graph, needs)
    meetings: dict[tuple[str, str], list[_Meeting]] = {}
    for i, node in enumerate(graph.nodes):
        for met in _meetings(i, node, graph, needs, where):
            meetings.setdefault((met.target.buffer, met.source.buffer), []).append(met)
    tables = {buffer.name: _table(buffer) for buffer in buffers}
    sizes = {buffer.name: buffer.size for buffer in buffers}
    found = []
    for ahead in buffers:
        for behind in buffers:
            pair = (ahead.name, behind.name)
            if ahead is behind or not (ahead.spans or behind.spans or pair in meetings):
                continue
            distance = _distance(tables[ahead.name], tables[behind.name], meetings.get(pair, []))
            if distance is not None and round_up(distance) < round_up(sizes[ahead.name]):
                found.append(Lag(ahead.name, behind.name, round_up(distance)))
    return found


def _meetings(i: int, node: Node, graph: Graph, needs: Needs, where: dict[str, Place]) -> list[_Meeting]:
    need = needs.get(node.name, Need())
    source, others = where[node.inputs[0]], {where[name].buffer for name in node.inputs[1:]}
    if source.buffer in others:
        return []
    size, found = graph.tensors[node.inputs[0]].bytes, []
    if need.overlap.output is not None and where[node.output].buffer != source.buffer:
        target = where[node.output]
        found.append(_Meeting(i, source, size, target, graph.output_tensor(node).bytes, need.overlap.output))
    if need.overlap.scratch is not None and need.scratch_bytes:
        target = Place(scratch_name(node, graph), 0)
        found.append(_Meeting(i, source, size, target, need.scratch_bytes, need.overlap.scratch))
    return found


def _table(buffer: Buffer) -> np.ndarray:
    """(parts, 4): low, high, first, last."""
    return np.array([(p.low, p.high, p.first, p.last) for p in buffer.parts], np.int64)


def _distance(ahead: np.ndarray, behind: np.ndarray, meetings: list[_Meeting]) -> int | None:
    """The least distance from the beginning of the one to that of the other at which no two bytes meet that are needed
    at the same step; None where none are."""
    together = (ahead[:, None, 2] <= behind[None, :, 3]) & (behind[None, :, 2] <= ahead[:, None, 3])
    if not together.any():
        return None
    apart = ahead[:, None, 1] - behind[None, :, 0]
    for met in meetings:
        written = (ahead[:, 2] == met.step) & _within(ahead, met.target, met.target_bytes)
        read = (behind[:, 3] == met.step) & _within(behind, met.source, met.source_bytes)
        allowed = met.distance + met.target.offset - met.source.offset
        apart = np.where(written[:, None] & read[None, :], np.minimum(apart, allowed), apart)
    return max(0, int(apart[together].max()))


def _within(table: np.ndarray, place: Place, size: int) -> np.ndarray:
    return (table[:, 0] >= place.offset) & (table[:, 1] <= place.offset + size)
