"""Arena and time of networks whose layers are computed in bands of rows, beside the same kernels on whole images, on the Cortex-M4."""

from __future__ import annotations

from collections.abc import Iterator

from rows import Peer, Row, model_files, run, show
from zoo_sizes import M4, integer_graph

from cpcc.frontends.tflite import to_graph
from cpcc.graph import Graph
from cpcc.passes.dead_channels import drop_dead_channels
from cpcc.passes.single_pixel import linear_where_single_pixel

ZOO_SHAPES = (
    ("cnn3", (3, 32, 32)), ("cnn3", (3, 64, 64)), ("cnn3", (3, 128, 128)), ("lenet5", (1, 28, 28)),
    ("mobilenet_v1", (3, 96, 96)), ("mobilenet_v2", (3, 96, 96)), ("dscnn", (1, 49, 10)),
)  # fmt: skip
POLICIES = ("whole", "speed", "least")


def graphs() -> Iterator[tuple[str, Graph]]:
    for name, shape in ZOO_SHAPES:
        graph = integer_graph(name, shape)
        yield f"{name} {'x'.join(map(str, shape))}", linear_where_single_pixel(drop_dead_channels(graph))
    for name, data in model_files():
        yield name, linear_where_single_pixel(drop_dead_channels(to_graph(data, name).graph))


def striping_rows() -> Iterator[Row]:
    """Every network whole, striped where that pays, and with the smallest arena that stripes reach."""
    for name, graph in graphs():
        for policy in POLICIES:
            yield show(run(name, graph, M4, policy, "zig", Peer()))
