"""A ``.tflite`` file to an int8 graph that computes what TensorFlow Lite Micro computes, bit for bit.

`schema` reads the file, `builder` is what handlers work with, and each other module handles one family of operators.
"""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.errors import ModelError
from cpcc.frontends.ports import output_names
from cpcc.frontends.tflite import affine, copies, elementwise, mean, parts, pool, shape, unary
from cpcc.frontends.tflite.builder import Builder, Handler, activation_type, without_batch
from cpcc.frontends.tflite.ports import begin, end, input_names, names_of_outputs
from cpcc.frontends.tflite.rewrites import rewrite_of
from cpcc.frontends.tflite.schema import Model, Operator, TensorInfo, read_model
from cpcc.graph import Graph, Int8, Tensor, validate

HANDLERS: dict[str, Handler] = {
    **affine.HANDLERS, **pool.HANDLERS, **elementwise.HANDLERS, **shape.HANDLERS, **unary.HANDLERS,
    **copies.HANDLERS, **mean.HANDLERS, **parts.HANDLERS,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Imported:
    """The graph, and the types of the file's own inputs: int8, int16, or float32 or uint8 before a QUANTIZE."""

    graph: Graph
    input_dtypes: tuple[str, ...]


def to_graph(data: bytes, name: str, place: str = "") -> Imported:
    """The int8 graph `name` of a ``.tflite`` file's bytes. Raises `ModelError` naming what cannot be compiled, in `place` (the name)."""
    place = place or name
    model = read_model(data, place)
    if not model.inputs or not model.outputs:
        raise ModelError(
            f"{place}: {len(model.inputs)} inputs, {len(model.outputs)} outputs; supported: 1 and more of each"
        )
    rest = _live_operators(model)
    b = Builder(model, read=frozenset(model.outputs).union(*(op.inputs for op in rest)))
    dtypes, ends = [], []
    for port, index in zip(input_names(model), model.inputs):
        start, rest = begin(model, index, rest)
        b.tensors[port] = Tensor(port, without_batch(place, start.tensor), activation_type(place, start.tensor))
        b.names[start.tensor.index] = port
        dtypes.append(start.dtype)
    for index in model.outputs:
        last, rest = end(model, index, rest)
        ends.append(last.tensor)
    for op in rest:
        handler = _handler(op)
        _check_width(model, op, handler)
        handler.build(b, op)
    return Imported(validate(_graph(b, name, place, ends), Int8), tuple(dtypes))


def _graph(b: Builder, name: str, place: str, ends: list[TensorInfo]) -> Graph:
    """The graph that ends with the file's tensors `ends`; several have tensors of their own, called as in the file."""
    for tensor in ends:
        if tensor.index not in b.names:
            raise ModelError(f"{place}: output {tensor.name} is never computed; export the model again")
    outputs = [b.names[tensor.index] for tensor in ends]
    inputs = input_names(b.model)
    if len(outputs) > 1:
        names = output_names(names_of_outputs(b.model), list(b.tensors))
        outputs = [b.named(port, b.tensors[tensor]) for port, tensor in zip(names, outputs)]
    return Graph(name, b.tensors, tuple(b.nodes), inputs, tuple(outputs))


def _handler(op: Operator) -> Handler:
    handler = HANDLERS.get(op.code)
    if handler is None:
        known = ", ".join(sorted(HANDLERS))
        raise ModelError(f"{op.place}: this operator is not supported; {rewrite_of(op.code)}supported: {known}")
    return handler


def _check_width(model: Model, op: Operator, handler: Handler) -> None:
    """Raises `ModelError` where an operator reads or writes int16 that does so in no kernel of ours."""
    values = (*handler.value_inputs(op), *op.outputs)
    if not handler.int16 and any(model.tensors[i].type == "INT16" for i in values if i >= 0):
        known = ", ".join(sorted(code for code, each in HANDLERS.items() if each.int16))
        raise ModelError(
            f"{op.place}: 16-bit activations are not supported; supported with them: {known}; or convert to int8"
        )


def _live_operators(model: Model) -> list[Operator]:
    """Operators that the output depends on through values (not through shapes), in the file's order."""
    needed = set(model.outputs)
    live: list[Operator] = []
    for op in reversed(model.operators):
        if needed.isdisjoint(op.outputs):
            continue
        live.append(op)
        handler = HANDLERS.get(op.code)
        needed.update(op.inputs if handler is None else handler.value_inputs(op))
    return live[::-1]
