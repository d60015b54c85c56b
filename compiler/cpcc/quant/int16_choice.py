"""Which layers get int16 activations: none, all, those named, or those whose noise asks for it (`auto`)."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from cpcc.errors import ModelError, UsageError
from cpcc.graph import Graph, Int16, Node
from cpcc.ops.convert import QConvert
from cpcc.quant.noise import Noise
from cpcc.quant.widths import has_int16, keeps_type

NEVER, AUTO, ALL = "never", "auto", "all"
OWN_LIMIT = 10.0  # dB of a layer's own ratio, and of the network's at its output, below which `auto` acts
OUTPUT_LIMIT = 10.0
GAIN = 3.0  # dB by which int16 must better either ratio, or the layer stays int8: its weights are what costs

Attempt = tuple[Graph, dict[str, Noise]]  # an integer graph and its noise by layer
Widened = tuple[str, ...]  # layers that `auto` asked for, the most gained first


def chosen(floats: Graph, wish: str, attempt: Callable[[tuple[str, ...]], Attempt]) -> tuple[Attempt, Widened]:
    """The integer graph of `floats` with the layers of `wish` in int16, and those that nobody named; `attempt` quantizes with
    given layers in int16.

    Raises `UsageError` where `wish` names what is no layer, or one without an int16 form."""
    if wish == AUTO:
        return _by_noise(floats, attempt)
    return attempt(named(floats, wish)), ()


def named(floats: Graph, wish: str) -> tuple[str, ...]:
    """The layers of a `wish` other than `auto`, in the graph's order."""
    nodes = {node.name: node for node in floats.nodes}
    if wish in (NEVER, ALL):
        return tuple(name for name, node in nodes.items() if wish == ALL and has_int16(node))
    asked = [name.strip() for name in wish.split(",")]
    for name in asked:
        if name not in nodes:
            close = difflib.get_close_matches(name, nodes, 1)
            hint = f"did you mean {close[0]}?" if close else f"layers: {', '.join(nodes)}"
            raise UsageError(f"--int16 {name}: the network has no such layer; {hint}")
        if not has_int16(nodes[name]):
            kind = type(nodes[name].params).__name__
            raise UsageError(f"--int16 {name}: {kind} has no int16 form; name the layers around it")
    return tuple(name for name in nodes if name in asked)


def _by_noise(floats: Graph, attempt: Callable[[tuple[str, ...]], Attempt]) -> tuple[Attempt, Widened]:
    """First all layers below `OWN_LIMIT`, of which those stay that gain; then, while the output is below `OUTPUT_LIMIT`, the
    noisiest others: one, two, four ... at a time, since every attempt runs the network on all noise samples."""
    graph, noise = attempt(())
    names = [node.name for node in floats.nodes if node.name in noise and has_int16(node) and not keeps_type(node)]
    layers = tuple(name for name in names if noise[name].alone < OWN_LIMIT)
    if layers:
        tried, quieter = _possible(attempt, layers) or (graph, noise)
        gains = {name: quieter[name].alone - noise[name].alone for name in layers}
        gained = tuple(name for name in layers if gains[name] >= GAIN)
        graph, noise = (tried, quieter) if gained == layers else attempt(gained)
        layers = tuple(sorted(gained, key=lambda name: -gains[name]))
    others = sorted((name for name in names if name not in layers), key=lambda name: noise[name].alone)
    count = 1
    while output_ratio(floats, noise) < OUTPUT_LIMIT and count < 2 * len(others):
        wider, quieter = _possible(attempt, (*layers, *others[:count])) or (graph, noise)
        if output_ratio(floats, quieter) - output_ratio(floats, noise) >= GAIN:
            layers, graph, noise = (*layers, *others[:count]), wider, quieter
            others = others[count:]
        count *= 2
    return (graph, noise), layers


def _possible(attempt: Callable[[tuple[str, ...]], Attempt], layers: tuple[str, ...]) -> Attempt | None:
    """The attempt; None where an int16 form refuses what the int8 network can compute: nobody asked for it by name."""
    try:
        return attempt(layers)
    except ModelError:
        return None


def output_ratio(floats: Graph, noise: dict[str, Noise]) -> float:
    """The network's least ratio so far at its outputs, in dB."""
    producers = {node.output: node for node in floats.nodes}
    return min(
        (noise[name].so_far for name in (_behind(t, producers, noise) for t in floats.outputs) if name), default=0.0
    )


def _behind(tensor: str, producers: dict[str, Node], noise: dict[str, Noise]) -> str:
    """The layer with a ratio that `tensor` comes from; "" where it is the network's input."""
    while tensor in producers and producers[tensor].name not in noise:
        tensor = producers[tensor].inputs[0]
    return producers[tensor].name if tensor in producers else ""


def int16_layers(graph: Graph) -> list[str]:
    """Nodes of an integer graph that compute in int16, conversions aside."""
    return [
        node.name
        for node in graph.nodes
        if isinstance(graph.output_tensor(node).type, Int16) and not isinstance(node.params, QConvert)
    ]
