"""What can run each layer of a graph, where speed decides: with kernels that store shared weights once, where those are nearly as fast.

Calls of one layer between tensors of other types need scales and biases of their own. Kernels that read those between the weights need
the whole of both for each call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cpcc.costs import Estimate
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed
from cpcc.plan.kernels import Policy, any_kernel, priced
from cpcc.plan.sizes import stored_bytes, times_stored, weight_arrays
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
    best, least = found, 1.0
    for kept in _by_layout(group, graph, found):
        slower = _cycles(kept) / _cycles(found)
        share = slower * stored_bytes(_packed(group, graph, kept)) / stored_bytes(fastest)
        if slower <= MOST and share < least:
            best, least = kept, share
    return best


def _by_layout(group: Sequence[Node], graph: Graph, found: Offers) -> Iterator[Offers]:
    """What can run all of `group` from one set of arrays, for each set: several kernels read weights in the same layout."""
    layouts = {
        node.name: [weight_arrays(kernel.pack(node, graph)) for kernel, _ in found[node.name]] for node in group
    }
    for layout in dict.fromkeys(layouts[group[0].name]):
        if all(layout in own for own in layouts.values()):
            yield {
                name: [each for each, arrays in zip(found[name], own, strict=True) if arrays == layout]
                for name, own in layouts.items()
            }


def _packed(group: Sequence[Node], graph: Graph, found: Offers) -> list[Packed]:
    """Each node as its fastest kernel has it."""
    return [found[node.name][0][0].pack(node, graph) for node in group]


def _cycles(found: Offers) -> float:
    """Of all nodes, each by its fastest."""
    return sum(own[0][1].cycles for own in found.values())
