"""What can run each layer of a graph, where speed decides: with kernels that store shared weights once, where those are nearly as fast.

Calls of one layer between tensors of other types need scales and biases of their own. Kernels that read those between the weights need
the whole of both for each call."""

from __future__ import annotations

from collections.abc import Sequence

from cpcc.costs import Estimate
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed
from cpcc.plan.kernels import Policy, any_kernel, priced
from cpcc.plan.sizes import stored_bytes, times_stored
from cpcc.targets import Core
from cpcc.tied_weights import tied_groups

Offers = dict[str, list[tuple[Kernel, Estimate]]]  # by node name, the fastest first
MOST = 1.5  # times the cycles of kernels that store weights for each call


def offers(graph: Graph, core: Core, policy: Policy = any_kernel) -> Offers:
    """`priced` for every node, without the kernels that would store weights of several nodes more than once, where the others are
    worth it: for all those nodes together they save a larger share of the bytes than they add to the cycles, and add no more than `MOST` allows."""
    found = {node.name: priced(node, graph, core, policy) for node in graph.nodes}
    for group in tied_groups(graph):
        if all(len(found[node.name]) > 1 for node in group):
            found |= _once(group, graph, {node.name: found[node.name] for node in group})
    return found


def _once(group: Sequence[Node], graph: Graph, found: Offers) -> Offers:
    """The offers for nodes with the same weights."""
    fastest = _packed(group, graph, found)
    if times_stored(fastest) == 1:
        return found
    common = [kernel for kernel, _ in found[group[0].name] if all(kernel in _kernels(found[n.name]) for n in group)]
    once = [kernel for kernel in common if times_stored(kernel.pack(node, graph) for node in group) == 1]
    kept = {name: [each for each in own if each[0] in once] for name, own in found.items()}
    if not once:
        return found
    slower = _cycles(kept) / _cycles(found)
    smaller = stored_bytes(_packed(group, graph, kept)) / stored_bytes(fastest)
    return kept if slower <= MOST and slower * smaller < 1 else found


def _packed(group: Sequence[Node], graph: Graph, found: Offers) -> list[Packed]:
    """Each node as its fastest kernel has it."""
    return [found[node.name][0][0].pack(node, graph) for node in group]


def _kernels(own: Sequence[tuple[Kernel, Estimate]]) -> list[Kernel]:
    return [kernel for kernel, _ in own]


def _cycles(found: Offers) -> float:
    """Of all nodes, each by its fastest."""
    return sum(own[0][1].cycles for own in found.values())
