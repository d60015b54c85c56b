"""Kernel choice: per node the applicable kernel of fewest modelled cycles whose features the core has."""

from __future__ import annotations

from collections.abc import Callable

from cpcc.costs import Estimate
from cpcc.graph import Graph, Int8, Int16, Node
from cpcc.ops import op_of
from cpcc.ops.base import Kernel
from cpcc.targets import Core

Policy = Callable[[Kernel], bool]


def any_kernel(kernel: Kernel) -> bool:
    """The default policy: the auction decides."""
    return True


def dense_only(kernel: Kernel) -> bool:
    """For comparison: what the network costs without sparse kernels."""
    return not kernel.sparse


def is_wide(node: Node, graph: Graph) -> bool:
    """Whether a tensor around `node` is int16."""
    return any(isinstance(t.type, Int16) for t in (*graph.input_tensors(node), graph.output_tensor(node)))


def usable_kernels(node: Node, graph: Graph, core: Core) -> list[Kernel]:
    """The kernels of the node's types that can run it on `core`."""
    wide = is_wide(node, graph)
    fitting = [k for k in op_of(node, Int8).kernels if k.bytewise or k.wide == wide]
    return [k for k in fitting if k.requires <= core.features and k.applies(node, graph)]


def priced(node: Node, graph: Graph, core: Core, policy: Policy = any_kernel) -> list[tuple[Kernel, Estimate]]:
    """The kernels that may run `node` and what each costs, that of the fewest modelled cycles first; none for an op that
    needs no code (a reshape)."""
    usable = [kernel for kernel in usable_kernels(node, graph, core) if policy(kernel)]
    assert usable or not op_of(node, Int8).kernels, f"{node.name}: no kernel can run it"
    return sorted(((k, k.cost(node, graph, core.name)) for k in usable), key=lambda each: each[1].cycles)
