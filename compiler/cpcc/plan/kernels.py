"""Kernel choice: per node the cheapest applicable kernel whose features the core has."""

from __future__ import annotations

from collections.abc import Callable

from cpcc.graph import Graph, Int8, Node
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


def choose_kernel(node: Node, graph: Graph, core: Core, policy: Policy = any_kernel) -> Kernel | None:
    """The kernel for `node`, or None for an op that needs no code (a reshape)."""
    usable = [
        kernel
        for kernel in op_of(node, Int8).kernels
        if kernel.requires <= core.features and policy(kernel) and kernel.applies(node, graph)
    ]
    return min(usable, key=lambda kernel: kernel.cost(node, graph), default=None)
