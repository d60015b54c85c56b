"""The kernels that can run a node, and the one of fewest modelled cycles among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cpcc.costs import Estimate
from cpcc.graph import Graph, Int8, Int16, Node
from cpcc.ops import op_of
from cpcc.ops.base import Kernel
from cpcc.targets import Core
from cpcc.tied_weights import tied_to

Policy = Callable[[Kernel], bool]

ALIKE = 0.005  # of the cycles: closer than that, a model does not tell kernels apart, and instructions, which are counted, decide


def any_kernel(kernel: Kernel) -> bool:
    """The default policy: the auction decides."""
    return True


def constants_only(kernel: Kernel) -> bool:
    """Where the firmware checks itself: a CRC covers constants, not the instructions of a layer that is code."""
    return not kernel.program


def dense_only(kernel: Kernel) -> bool:
    """For comparison: what the network costs without sparse kernels."""
    return not kernel.sparse


def is_wide(node: Node, graph: Graph) -> bool:
    """Whether a tensor around `node` is int16."""
    return any(isinstance(t.type, Int16) for t in (*graph.input_tensors(node), graph.output_tensor(node)))


def able_kernels(node: Node, graph: Graph, core: Core, policy: Policy = any_kernel) -> list[Kernel]:
    """Those whose features the core has and that apply to `node`; none for an op that needs no code (a reshape)."""
    able = list(_able(node, graph, core, policy))
    assert able or not op_of(node, Int8).kernels, f"{node.name}: no kernel can run it"
    return able


def usable_kernels(node: Node, graph: Graph, core: Core, policy: Policy = any_kernel) -> list[Kernel]:
    """`able_kernels` without those for tied weights, unless the node's are, or nothing else is allowed."""
    able = able_kernels(node, graph, core, policy)
    usual = [kernel for kernel in able if not kernel.tied]
    return usual if usual and len(usual) < len(able) and len(tied_to(node, graph)) == 1 else able


def named_kernel(name: str | None, node: Node, graph: Graph, core: Core, policy: Policy = any_kernel) -> Kernel | None:
    """That kernel, where it is able to; the others are not asked, for some look at every weight to say whether they apply."""
    return next(_able(node, graph, core, lambda k: k.name == name and policy(k)), None)


def _able(node: Node, graph: Graph, core: Core, policy: Policy) -> Iterator[Kernel]:
    wide = is_wide(node, graph)
    for k in op_of(node, Int8).kernels:
        if (k.bytewise or k.wide == wide) and k.requires <= core.features and policy(k) and k.applies(node, graph):
            yield k


def priced(node: Node, graph: Graph, core: Core, policy: Policy = any_kernel) -> list[tuple[Kernel, Estimate]]:
    """`usable_kernels` and what each costs, that of the fewest modelled cycles first; of those `ALIKE` in cycles that of the fewest
    instructions. A single one costs nothing: there is no choice."""
    usable = usable_kernels(node, graph, core, policy)
    if len(usable) == 1:
        return [(usable[0], Estimate(0, 0))]
    costs = [(k, k.cost(node, graph, core.name)) for k in usable]
    alike = (1 + ALIKE) * min((cost.cycles for _, cost in costs), default=0.0)
    return sorted(costs, key=lambda each: (max(each[1].cycles, alike), each[1].instructions))
