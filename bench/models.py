"""Whole models beside TensorFlow Lite Micro with CMSIS-NN: as they are, and pruned by magnitude."""

from __future__ import annotations

from collections.abc import Iterator

from rows import CORES, PEERS, POLICIES, Peer, Row, model_files, run, show
from structures import STRUCTURES, pruned

from cpcc.frontends.tflite import to_graph
from cpcc.passes.dead_channels import drop_dead_channels
from cpcc.passes.single_pixel import linear_where_single_pixel

M4 = "cortex-m4"
STRUCTURED = "pretrainedResnet_quant"


def peer_of(name: str, core: str) -> Peer:
    found = PEERS["models"][name]
    return Peer(found["instructions"].get(core), found.get("cycles", {}).get(core))


def model_rows(cores: tuple[str, ...] = CORES, names: tuple[str, ...] = ()) -> Iterator[Row]:
    """Every model on every core with every policy; on the M4 also by gcc, and with its dead channels."""
    for name, data in model_files():
        if names and name not in names:
            continue
        graph = to_graph(data, name).graph
        thinned = linear_where_single_pixel(drop_dead_channels(graph))
        for core in cores:
            for policy in POLICIES:
                yield show(run(name, thinned, core, policy, "zig", peer_of(name, core)))
        yield show(run(name, thinned, M4, "speed", "gcc", peer_of(name, M4)))
        yield show(run(f"{name} whole", graph, M4, "dense", "zig", peer_of(name, M4)))


def pruned_rows() -> Iterator[Row]:
    """Every model at 75, 90, 95 and 99 % zeros, image classification in 1x4 blocks and ternary too; depthwise layers stay dense."""
    for name, data in model_files():
        graph = to_graph(data, name).graph
        for structure in STRUCTURES if name == STRUCTURED else ("single",):
            for zeros in (75, 90, 95, 99):
                thin = linear_where_single_pixel(pruned(graph, 1 - zeros / 100, STRUCTURES[structure]))
                label = f"{name} {zeros} %" if structure == "single" else f"{name} {zeros} % {structure}"
                yield show(run(label, thin, M4, "speed", "zig", peer_of(name, M4)))
