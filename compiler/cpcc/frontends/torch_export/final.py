"""The final activation of a network, which a detector does without."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

from cpcc.frontends.torch_export.source import arguments, kind

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


_FINAL = {
    "aten.sigmoid.default": "Sigmoid", "aten.sigmoid_.default": "Sigmoid", "aten.softmax.int": "Softmax",
    "aten._softmax.default": "Softmax", "aten.log_softmax.int": "LogSoftmax",
    "aten._log_softmax.default": "LogSoftmax",
}  # fmt: skip


RESHAPES = frozenset(["flatten", "view", "reshape", "_unsafe_view", "unflatten", "squeeze", "unsqueeze"])
DROPPED = frozenset(
    ["dropout", "dropout_", "feature_dropout", "alpha_dropout", "clone", "contiguous", "detach", "alias"]
)


def strip_final_activation(program: ExportedProgram, output: int = 0) -> tuple[ExportedProgram, str]:
    """`program` without the final Sigmoid, Softmax or LogSoftmax of its output number `output`; and the dropped layer's name
    or "".

    Reshapes behind the activation are kept. The given program is not changed."""
    original = _final_activation(program.graph, output)
    if original is None:
        return program, ""
    with warnings.catch_warnings():
        # Copying rebuilds torch's own LeafSpec objects, a class torch 2.13 has deprecated.
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        return _without(program, original.name), _FINAL[str(original.target)]


def _without(program: ExportedProgram, name: str) -> ExportedProgram:
    """A copy of `program` (weights shared) where node `name` passes its input through."""
    module = copy.deepcopy(program.graph_module)
    for copied, original in zip(module.graph.nodes, program.graph.nodes):
        copied.name = original.name  # copying renames nodes such as "input"; the signature would not match
    node = next(n for n in module.graph.nodes if n.name == name)
    source: Any = node.args[0]
    node.replace_all_uses_with(source)
    module.graph.erase_node(node)
    module.recompile()
    signature = copy.deepcopy(program.graph_signature)
    for spec in signature.output_specs:
        if getattr(spec.arg, "name", None) == name:
            spec.arg.name = source.name
    return program._update(module, signature)


def _final_activation(graph: torch.fx.Graph, output: int) -> torch.fx.Node | None:
    # the output node's arguments are a tuple of results
    results: Any = next(n for n in reversed(graph.nodes) if n.op == "output").args[0]
    node = results[output]
    if sum(result is node for result in results) > 1:
        return None
    while not isinstance(node, (int, float, type(None))) and kind(node) in RESHAPES | DROPPED:
        node = node.args[0]
    if str(node.target) not in _FINAL or len(node.users) != 1 or not hasattr(node.args[0], "meta"):
        return None
    shape = tuple(node.meta["val"].shape)
    if _FINAL[str(node.target)] == "Sigmoid":
        return node
    return node if arguments(node)["dim"] % len(shape) == _class_axis(shape) else None


def _class_axis(shape: tuple[int, ...]) -> int:
    """The only axis longer than 1, or -1: a softmax over anything else is no decision between classes."""
    long = [axis for axis, size in enumerate(shape) if size > 1]
    return long[0] if len(long) == 1 else -1
