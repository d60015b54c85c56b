"""From a graph to the kernels of its layers, for an objective and a budget."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace
from math import inf

from cpcc.code_size import Code, KernelCode
from cpcc.graph import Graph, Node
from cpcc.ops.base import Kernel, Packed
from cpcc.plan.bound import lower_bound
from cpcc.plan.buffers import Need, Needs, live_buffers
from cpcc.plan.choice import Option, Problem, choose
from cpcc.plan.kernels import Policy, any_kernel, usable_kernels
from cpcc.plan.lags import lags
from cpcc.plan.objective import Objective
from cpcc.plan.placement import problem_of, quick_plan
from cpcc.plan.sizes import arrays_of, own_bytes
from cpcc.targets import Target


def kernel_files(kernel: Kernel, padded: bool) -> frozenset[str]:
    """The C files of `kernel`, of ``firmware``; `padded` where it calls ``cpcc_pad_rows``."""
    files = {f"kernels/cpcc_{kernel.name}.c", *(file for file in kernel.shared if file.endswith(".c"))}
    return frozenset(files | ({"kernels/cpcc_pad.c"} if padded else set()))


def uses_padding(kernel: Kernel, struct: dict[str, object]) -> bool:
    """Whether a kernel with the C struct `struct` calls ``cpcc_pad_rows``."""
    return "window.in_h" in struct and not kernel.shared


def kernel_pieces(code: KernelCode, kernel: Kernel, packed: Packed) -> frozenset[Code]:
    """The code that a call of `kernel` with these constants needs."""
    files = kernel_files(kernel, uses_padding(kernel, dict(packed.struct)))
    return code.pieces(files, f"cpcc_{kernel.name}{packed.entry}")


def options_of(node: Node, graph: Graph, target: Target, code: KernelCode, policy: Policy) -> list[Option]:
    """What can run `node`; several only where there is something to choose."""
    found = []
    for kernel in usable_kernels(node, graph, target.core, policy):
        packed = kernel.pack(node, graph)
        pieces = kernel_pieces(code, kernel, packed)
        need = Need(packed.scratch_bytes, kernel.overlap(node, graph))
        cycles = kernel.cost(node, graph, target.core.name, code.level).cycles
        found.append(Option(kernel.name, cycles, own_bytes(packed), need, pieces, arrays_of(packed)))
    return found


def with_own_arrays(layers: list[list[Option]]) -> list[list[Option]]:
    """The options, where an array that no other layer can need counts as the layer's own: the search asks only what can be shared."""
    needed = Counter(array for options in layers for array in {a for option in options for a in option.arrays})
    shared = frozenset(array for array, count in needed.items() if count > 1)
    return [
        [
            replace(o, constants=o.bytes - sum(n for _, n in o.arrays & shared), arrays=o.arrays & shared)
            for o in options
        ]
        for options in layers
    ]


def select_kernels(
    graph: Graph, target: Target, objective: Objective, code: KernelCode, flash: float, ram: float,
    policy: Policy = any_kernel,
) -> dict[str, str]:  # fmt: skip
    """Kernel by node name, within bytes of `flash` for constants and kernel code and of `ram` for the arena where possible."""
    layers = [(node, options_of(node, graph, target, code, policy)) for node in graph.nodes]
    layers = [(node, options) for node, options in layers if options]

    @functools.cache
    def arena(needs: tuple[Need, ...]) -> int:
        return arena_bytes(graph, {node.name: need for (node, _), need in zip(layers, needs, strict=True)})

    code_bytes = functools.cache(code.size)
    problem = Problem(
        with_own_arrays([options for _, options in layers]), code_bytes, arena if ram < inf else lambda needs: 0
    )
    chosen = problem.chosen(choose(problem, objective, flash, ram))
    return {node.name: option.kernel for (node, _), option in zip(layers, chosen, strict=True)}


def arena_bytes(graph: Graph, needs: Needs) -> int:
    """Bytes of a first-fit plan: at least what the exact search will find."""
    buffers = live_buffers(graph, needs)
    problem = problem_of(buffers, lags(graph, needs, buffers))
    return problem.height(quick_plan(problem, lower_bound(problem)))
