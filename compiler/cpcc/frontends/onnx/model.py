"""The whole model: every node through the handler of its operator."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from cpcc.errors import ModelError
from cpcc.frontends.onnx import activations, binary, conv, linear, pools, quantization, recurrent, slices, views
from cpcc.frontends.onnx.families import Operators
from cpcc.frontends.onnx.file import input_infos, opset_of, read_model
from cpcc.frontends.onnx.importer import Handler, Importer
from cpcc.frontends.onnx.operator import cleaned
from cpcc.frontends.onnx.tensors import static_shape
from cpcc.frontends.ports import input_names
from cpcc.graph import Float32, Graph, validate
from cpcc.passes.optimize import optimize
from cpcc.quant.prescribed import FakeQuantize, prescribed
from cpcc.quantize import with_types

FAMILIES: tuple[Operators, ...] = tuple(
    operators
    for module in (linear, conv, pools, activations, binary, recurrent, slices, views, quantization)
    for operators in module.FAMILY
)
HANDLERS: dict[str, Handler] = {kind: handler for group in FAMILIES for kind, handler in group.handlers.items()}
_FINAL = ("Sigmoid", "Softmax", "LogSoftmax")
_VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout")


@dataclass(frozen=True, eq=False)
class Imported:
    """The graph of a model: float, to be quantized, or int8 where the file prescribes every scale. `input_shapes` are the
    file's, without the batch, by the graph's names of the inputs."""

    graph: Graph
    quantized: bool
    input_shapes: dict[str, tuple[int, ...]]


def inputs_of(model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the inputs, in the file's order."""
    return input_names([cleaned(info.name) or "input" for info in input_infos(model)])


def results_of(model: onnx.ModelProto) -> list[str]:
    """Names of the outputs, in the file's order."""
    return [cleaned(info.name) or "output" for info in model.graph.output]


def to_graph(data: bytes, name: str, logits: int | None = None) -> Imported:
    """The graph of an ``.onnx`` file's bytes: every output a vector; a final Sigmoid, Softmax or LogSoftmax of output number
    `logits` left out (None: of none). Raises `ModelError` naming what cannot be compiled."""
    return import_model(read_model(data, name), name, logits)


def import_model(model: onnx.ModelProto, name: str, logits: int | None = None, batch: bool = True) -> Imported:
    """As `to_graph`, of a model that `read_model` has checked. Without `batch` the first axis may have any size."""
    live, infos = _live_nodes(model.graph), input_infos(model)
    if model.graph.sparse_initializer:
        raise ModelError(f"{name}: sparse initializers; supported: dense ones")
    if not infos:
        raise ModelError(f"{name}: no input; supported: models that compute something of their input")
    ports = {info.name: port for info, port in zip(infos, inputs_of(model), strict=True)}
    importer = Importer(
        name, opset=opset_of(model), handlers=HANDLERS, ports=ports,
        stored={tensor.name: tensor for tensor in model.graph.initializer},
        shapes={info.name: static_shape(info) for info in (*model.graph.value_info, *model.graph.output)},
        dropped=-1 if logits is None else _final_activation(model.graph, model.graph.output[logits].name),
        read={i for index in live for i in model.graph.node[index].input} | {info.name for info in model.graph.output},
    )  # fmt: skip
    for info in infos:
        importer.add_input(info, batch)
    for index in live:
        importer.visit(model.graph.node[index], index)
    importer.add_results(model.graph.output, results_of(model))
    shapes = {port: importer.values[own].shape[1:] for own, port in ports.items()}
    graph = optimize(importer.graph())
    if not any(isinstance(node.params, FakeQuantize) for node in graph.nodes):
        return Imported(validate(graph, Float32), False, shapes)
    return Imported(with_types(*prescribed(graph)), True, shapes)


def _live_nodes(graph: onnx.GraphProto) -> list[int]:
    """Indices, in the file's order, of the nodes that an output depends on."""
    needed, live = {info.name for info in graph.output}, []
    for index in reversed(range(len(graph.node))):
        if not needed.isdisjoint(graph.node[index].output):
            live.append(index)
            needed.update(name for name in graph.node[index].input if name)
    return live[::-1]


def gives_probabilities(model: onnx.ModelProto, output: int) -> bool:
    """Whether output number `output` is a Sigmoid or Softmax, quantized or not."""
    graph = model.graph
    index = _final_activation(graph, graph.output[output].name, (*_VIEWS, "QuantizeLinear", "DequantizeLinear"))
    return index >= 0 and graph.node[index].op_type != "LogSoftmax"


def _final_activation(graph: onnx.GraphProto, output: str, views: tuple[str, ...] = _VIEWS) -> int:
    """Index of the activation that gives `output`, `views` behind it aside; -1 where there is none, or others read it."""
    writer = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    readers = [name for node in graph.node for name in node.input] + [info.name for info in graph.output]
    index, name = writer.get(output, -1), output
    while index >= 0 and graph.node[index].op_type in views and readers.count(name) == 1:
        name = graph.node[index].input[0]
        index = writer.get(name, -1)
    return index if index >= 0 and graph.node[index].op_type in _FINAL and readers.count(name) == 1 else -1
