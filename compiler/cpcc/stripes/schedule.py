"""Which rows of each layer are computed with each band, and which are kept for the next one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.graph import Graph
from cpcc.stripes.regions import Region
from cpcc.stripes.windows import Rows


@dataclass(frozen=True, eq=False)
class Schedule:
    """By tensor: after band k its rows up to ``made[tensor][k]`` have been computed, and later bands read those from
    ``kept[tensor][k]`` on. Rows that the region's output never reads are not computed."""

    made: dict[str, list[int]]
    kept: dict[str, list[int]]
    bands: int

    def rows(self, tensor: str, band: int) -> tuple[int, int]:
        """Rows of `tensor` that are computed with `band`; none where both are equal."""
        return (self.made[tensor][band - 1] if band else 0), self.made[tensor][band]

    def base(self, tensor: str, band: int) -> int:
        """The first row in memory while `band` is computed."""
        return min(self.kept[tensor][band - 1], self.rows(tensor, band)[0]) if band else 0

    def window(self, tensor: str) -> int:
        """Rows that are in memory at most."""
        return max(self.made[tensor][k] - self.base(tensor, k) for k in range(self.bands))

    def moved(self, tensor: str) -> int:
        """Rows that are moved, in all."""
        return sum(self.made[tensor][k] - self.base(tensor, k + 1) for k in range(self.bands - 1))


def schedule(region: Region, graph: Graph, rows: int) -> Schedule:
    """`rows` rows of the first layer's output at a time, and with each band every row of the layers behind it that can be
    computed then; what does not depend on the first layer follows as it is read."""
    needed = _pulled(region, {region.output: [region.layers[-1].height]})
    lead = region.layers[0].node.output
    made = {lead: [*range(rows, needed[lead][0], rows), needed[lead][0]]}
    bands = len(made[lead])
    for layer in region.layers[1:]:
        sources = [made[name] for name in dict.fromkeys(layer.node.inputs) if name in made]
        if sources:
            limit = needed[layer.node.output][0]
            made[layer.node.output] = [_ready(layer, min(own[k] for own in sources), limit) for k in range(bands)]
    made = _pulled(region, made)
    kept = {name: [_kept(region, made, name, k) for k in range(bands)] for name in region.inner}
    return Schedule(made, kept, bands)


def _pulled(region: Region, made: dict[str, list[int]]) -> dict[str, list[int]]:
    """`made` with the tensors that it lacks: of each as many rows as its readers have read."""
    made = dict(made)
    for name in reversed(region.inner):
        if name not in made:
            readers = [(layer, made[layer.node.output]) for layer in region.readers(name)]
            bands = range(len(made[region.output]))
            made[name] = [max(int(layer.stops[own[k] - 1]) if own[k] else 0 for layer, own in readers) for k in bands]
    return made


def _ready(layer: Rows, available: int, limit: int) -> int:
    """Rows of the layer's output, `limit` at most, that `available` rows of its inputs suffice for."""
    return min(int(np.searchsorted(layer.stops, available, side="right")), limit)


def _kept(region: Region, made: dict[str, list[int]], name: str, band: int) -> int:
    """The first row that is read after `band`."""
    readers = ((layer, made[layer.node.output]) for layer in region.readers(name))
    later = [int(layer.starts[own[band]]) for layer, own in readers if own[band] < own[-1]]
    return min([made[name][band], *later])
