"""A graph with its stripes laid out: bands as nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cpcc.graph import Band, Graph, Int8, Node, Tensor, validate
from cpcc.ops.roll import Roll
from cpcc.ops.row_join import RowJoin
from cpcc.ops.row_slice import RowSlice
from cpcc.stripes.regions import Region, Stripe, find_region
from cpcc.stripes.schedule import Schedule, schedule
from cpcc.stripes.windows import Rows


def striped(graph: Graph, stripes: Sequence[Stripe]) -> Graph:
    """`graph` with the `stripes` computed in bands; the values of all its tensors stay as they are. Raises `ModelError`
    where a stripe is none of this graph, or two share a layer."""
    return validate(laid_out(graph, stripes), Int8) if stripes else graph


def laid_out(graph: Graph, stripes: Sequence[Stripe]) -> Graph:
    """The same, not yet proved well formed."""
    for stripe in stripes:
        graph = _with_stripe(graph, find_region(graph, stripe), stripe.rows)
    return graph


def _with_stripe(graph: Graph, region: Region, rows: int) -> Graph:
    layout = _Layout(graph, region, schedule(region, graph, rows))
    nodes = layout.nodes()
    tensors = {name: t for name, t in graph.tensors.items() if name not in region.inner} | layout.tensors
    nodes = [*graph.nodes[: region.begin], *nodes, *graph.nodes[region.end :]]
    return replace(graph, tensors=tensors, nodes=tuple(nodes), bands={**graph.bands, **layout.bands})


@dataclass
class _Window:
    """`tensor` holds the rows `start` to `stop` of another."""

    tensor: str
    start: int
    stop: int


class _Layout:
    """The nodes of one stripe, band by band."""

    def __init__(self, graph: Graph, region: Region, plan: Schedule) -> None:
        self._graph, self._region, self._plan = graph, region, plan
        self._axis = region.layers[0].axis
        self._windows: dict[str, _Window] = {}
        self._parts: list[str] = []
        self._nodes: list[Node] = []
        self._last_reader = {name: region.readers(name)[-1].node.name for name in region.inner}
        self.tensors: dict[str, Tensor] = {}
        self.bands: dict[str, Band] = {}

    def nodes(self) -> list[Node]:
        for band in range(self._plan.bands):
            for layer in self._region.layers:
                self._compute(layer, band)
                for name in dict.fromkeys(layer.node.inputs):
                    if self._last_reader.get(name) == layer.node.name and band + 1 < self._plan.bands:
                        self._keep(name, band)
        last = self._region.layers[-1].node
        self._nodes.append(
            Node(f"{last.name} joined", RowJoin(self._axis), tuple(self._parts), last.output, last.source)
        )
        return self._nodes

    def _compute(self, layer: Rows, band: int) -> None:
        """The layer's rows of this band, and the window that they belong to."""
        node, name = layer.node, layer.node.output
        start, stop = self._plan.rows(name, band)
        if start == stop:
            return
        label = f"{node.name}[{start}:{stop}]"
        views = {source: self._view(source, *layer.read(start, stop), label) for source in dict.fromkeys(node.inputs)}
        inputs = tuple(views[source] for source in node.inputs)
        made = self._tensor(f"{name}[{start}:{stop}]", name, node.name, start, stop)
        self._nodes.append(Node(label, layer.params(start, stop), inputs, made, node.source))
        if name == self._region.output:
            self._parts.append(made)
            return
        held = self._windows.get(name)
        if held is None:
            self._windows[name] = _Window(made, start, stop)
            return
        window = self._tensor(f"{name}[{held.start}:{stop}] held", name, node.name, held.start, stop)
        self._nodes.append(Node(f"{label} joined", RowJoin(self._axis), (held.tensor, made), window))
        self._windows[name] = _Window(window, held.start, stop)

    def _view(self, name: str, start: int, stop: int, reader: str) -> str:
        """The tensor that holds the rows `start` to `stop` of `name`, for `reader`."""
        whole = self._graph.tensors[name].shape[self._axis]
        held = self._windows.get(name, _Window(name, 0, whole))
        if (held.start, held.stop) == (start, stop):
            return held.tensor
        layer = self._layer_of(name)
        view = self._tensor(f"{name}[{start}:{stop}] for {reader}", name, layer, start, stop)
        params = RowSlice(self._axis, start - held.start, stop - start)
        self._nodes.append(Node(f"{reader} reads {name}", params, (held.tensor,), view))
        return view

    def _keep(self, name: str, band: int) -> None:
        """Moves what the next band reads again to the beginning of the window."""
        held, start = self._windows.pop(name, None), self._plan.kept[name][band]
        if held is None or start >= held.stop:
            return
        if start > held.start:
            layer = self._layer_of(name)
            kept = self._tensor(f"{name}[{start}:{held.stop}] kept", name, layer, start, held.stop)
            label = f"{layer}[{start}:{held.stop}] kept"
            self._nodes.append(Node(label, Roll(self._axis, held.stop - start), (held.tensor,), kept))
            held = _Window(kept, start, held.stop)
        self._windows[name] = held

    def _layer_of(self, name: str) -> str:
        return next((node.name for node in self._graph.nodes if node.output == name), name)

    def _tensor(self, label: str, name: str, layer: str, start: int, stop: int) -> str:
        whole = self._graph.tensors[name]
        shape = (*whole.shape[: self._axis], stop - start, *whole.shape[self._axis + 1 :])
        self.tensors[label] = Tensor(label, shape, whole.type)
        self.bands[label] = Band(name, layer, self._axis, start, stop)
        return label
