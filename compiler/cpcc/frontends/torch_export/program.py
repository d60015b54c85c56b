"""The whole program: every node through the handler of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpcc.frontends.torch_export import activations, binary, conv, linear, norm, pools, recurrent, slices, views
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.final import strip_final_activation
from cpcc.frontends.torch_export.importer import Handler, Importer, constants
from cpcc.frontends.torch_export.ports import inputs_of, results_of
from cpcc.graph import Graph
from cpcc.passes.optimize import optimize

if TYPE_CHECKING:
    from torch.export import ExportedProgram


FAMILIES: tuple[Layers, ...] = tuple(
    layers
    for module in (linear, conv, norm, activations, pools, binary, recurrent, slices, views)
    for layers in module.FAMILY
)
HANDLERS: dict[str, Handler] = {kind: handler for layers in FAMILIES for kind, handler in layers.handlers.items()}


def to_graph(program: ExportedProgram, name: str, logits: int | None = 0) -> Graph:
    """The float graph of `program`: every output a vector, batch norm folded, ReLU fused, a final Sigmoid or Softmax of
    output number `logits` dropped (None: of none). Raises `ModelError` naming the layer that is not supported."""
    results = results_of(program)
    if logits is not None and results:
        program, _ = strip_final_activation(program, logits)
    ports = dict(zip(program.graph_signature.user_inputs, inputs_of(program)))
    importer = Importer(name, constants=constants(program), handlers=HANDLERS, ports=ports, results=results)
    importer.refuse_control_flow(program)
    for node in program.graph.nodes:
        importer.visit(node)
    return optimize(importer.graph())
