"""Stripes and kernels together: once a layer's neighbours are striped, its own kernel's scratch may fill the arena."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from cpcc.graph import Graph, Int8, Node
from cpcc.ops import op_of
from cpcc.ops.base import Kernel
from cpcc.plan.kernels import Policy, any_kernel
from cpcc.plan.offers import Offers, offers
from cpcc.plan.thrift import RATE, slowdown
from cpcc.stripes.choice import Search, best_stripes, gain
from cpcc.stripes.regions import Stripe
from cpcc.targets import Target

SHARE = 2  # layers that need at least one part in so many of what the arena needs


def stripes_and_kernels(
    graph: Graph, kernels: Mapping[str, str], target: Target, policy: Policy = any_kernel, ram: float = inf
) -> tuple[tuple[Stripe, ...], dict[str, str]]:
    """`best_stripes`, and the `kernels`: slower ones that need less memory where stripes make that count, the fastest where stripes
    make their memory free."""
    search, offered = Search(graph, kernels, target, policy), offers(graph, target.core, policy)
    frugal = _frugal(search, graph, kernels, offered)
    stripes = best_stripes(graph, frugal, target, policy, ram)
    found = search.outcome(stripes, frugal)
    for name, kernel in _faster(frugal, kernels, offered):
        faster = {**frugal, name: kernel}
        other = search.outcome(stripes, faster)
        if other.bound <= found.arena and other.arena <= found.arena and other.cost.cycles < found.cost.cycles:
            frugal, found = faster, other
    whole = search.outcome(())
    if found.arena > ram or whole.arena > ram or gain(whole, found, found.arena) > 0:
        return stripes, frugal
    return (), dict(kernels)


def _faster(frugal: Mapping[str, str], kernels: Mapping[str, str], offered: Offers) -> Iterator[tuple[str, str]]:
    """For each layer what it had before it was `frugal`, and the fastest kernel there is, where they are others."""
    for name, own in offered.items():
        if name in frugal:
            fastest = own[0][0].name
            yield from ((name, k) for k in dict.fromkeys((kernels[name], fastest)) if k != frugal[name])


def _frugal(search: Search, graph: Graph, kernels: Mapping[str, str], offered: Offers) -> dict[str, str]:
    """`kernels` with others for layers that need much memory, each where it saves as much of that as its time asks."""
    whole, chosen = search.outcome(()), dict(kernels)
    for node in graph.nodes:
        need, best = whole.by_layer.get(node.name, 0), 0.0
        if node.name not in kernels or need * SHARE < whole.bound:
            continue
        for kernel in _as_listed(node, offered):
            other = search.outcome((), {**kernels, node.name: kernel.name})
            saved = (need - other.by_layer[node.name]) / whole.bound
            worth = saved - RATE * max(0.0, slowdown(whole.cost, other.cost, whole.cost))
            if worth > best:
                best, chosen[node.name] = worth, kernel.name
    return chosen


def _as_listed(node: Node, offered: Offers) -> list[Kernel]:
    """What is offered for a node, in the op's order, which decides between equals."""
    own = [kernel for kernel, _ in offered[node.name]]
    return [kernel for kernel in op_of(node, Int8).kernels if kernel in own]
