"""The whole model: every node through the handler of its operator."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from cpcc.errors import ModelError
from cpcc.frontends.onnx import activations, binary, conv, linear, pools, recurrent, slices, views
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.file import input_infos, opset_of, read_model
from cpcc.frontends.onnx.importer import Handler, Importer
from cpcc.frontends.onnx.tensors import static_shape
from cpcc.graph import Float32, Graph, validate
from cpcc.optimize import optimize

FAMILIES: tuple[Operators, ...] = tuple(
    operators
    for module in (linear, conv, pools, activations, binary, recurrent, slices, views)
    for operators in module.FAMILY
)
HANDLERS: dict[str, Handler] = {kind: handler for group in FAMILIES for kind, handler in group.handlers.items()}
_FINAL = ("Sigmoid", "Softmax", "LogSoftmax")
_VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")


@dataclass(frozen=True, eq=False)
class Imported:
    """The graph of a model: float, to be quantized, or int8 where the file prescribes every scale. `input_shapes` are the
    file's, without the batch."""

    graph: Graph
    quantized: bool
    input_shapes: tuple[tuple[int, ...], ...]


def to_graph(data: bytes, name: str, drop_final: bool = False) -> Imported:
    """The graph of an ``.onnx`` file's bytes. With `drop_final` a final Sigmoid, Softmax or LogSoftmax is left out: a
    detector's score is the logit. Raises `ModelError` naming what cannot be compiled."""
    return import_model(read_model(data, name), name, drop_final)


def import_model(model: onnx.ModelProto, name: str, drop_final: bool = False, batch: bool = True) -> Imported:
    """As `to_graph`, of a model that `read_model` has checked. Without `batch` the first axis may have any size."""
    live = _live_nodes(model.graph)
    shapes = {info.name: static_shape(info) for info in (*model.graph.value_info, *model.graph.output)}
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    if model.graph.sparse_initializer:
        raise ModelError(f"{name}: sparse initializers; supported: dense ones")
    importer = Importer(
        name, opset=opset_of(model), handlers=HANDLERS, stored=stored, shapes=shapes,
        dropped=_final_activation(model.graph) if drop_final else -1,
        read={i for index in live for i in model.graph.node[index].input} | {info.name for info in model.graph.output},
    )  # fmt: skip
    for info in input_infos(model):
        importer.add_input(info, batch)
    if not importer.inputs:
        raise ModelError(f"{name}: no input; supported: models that compute something of their input")
    for index in live:
        importer.visit(model.graph.node[index], index)
    for info in model.graph.output:
        importer.add_output(info)
    input_shapes = tuple(importer.values[info.name].shape[1:] for info in input_infos(model))
    return Imported(validate(optimize(importer.graph()), Float32), False, input_shapes)


def _live_nodes(graph: onnx.GraphProto) -> list[int]:
    """Indices, in the file's order, of the nodes that an output depends on."""
    needed, live = {info.name for info in graph.output}, []
    for index in reversed(range(len(graph.node))):
        if not needed.isdisjoint(graph.node[index].output):
            live.append(index)
            needed.update(name for name in graph.node[index].input if name)
    return live[::-1]


def _final_activation(graph: onnx.GraphProto) -> int:
    """Index of the activation that gives the only output, views behind it aside; -1 where there is none."""
    if len(graph.output) != 1:
        return -1
    writer = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    readers = [name for node in graph.node for name in node.input]
    index = writer.get(graph.output[0].name, -1)
    while index >= 0 and graph.node[index].op_type in _VIEWS:
        index = writer.get(graph.node[index].input[0], -1)
    if index < 0 or graph.node[index].op_type not in _FINAL:
        return -1
    return index if readers.count(graph.node[index].output[0]) <= 1 else -1
