"""A ``.tflite`` file to an int8 graph that computes what TensorFlow Lite Micro computes, bit for bit.

`schema` reads the file, `builder` is what handlers work with, and each other module handles one family of operators.
"""

from __future__ import annotations

from dataclasses import dataclass

from cpcc.errors import ModelError
from cpcc.frontends.tflite import affine, copies, elementwise, mean, pool, shape, unary
from cpcc.frontends.tflite.builder import Builder, Handler, int8_type, without_batch
from cpcc.frontends.tflite.rewrites import rewrite_of
from cpcc.frontends.tflite.schema import Model, Operator, TensorInfo, read_model
from cpcc.graph import Graph, Int8, Tensor, validate

HANDLERS: dict[str, Handler] = {
    **affine.HANDLERS, **pool.HANDLERS, **elementwise.HANDLERS, **shape.HANDLERS, **unary.HANDLERS,
    **copies.HANDLERS, **mean.HANDLERS,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Imported:
    """The graph, and the type of the file's own input: int8, or float32 or uint8 before a QUANTIZE."""

    graph: Graph
    input_dtype: str


def to_graph(data: bytes, name: str) -> Imported:
    """The int8 graph of a ``.tflite`` file's bytes. Raises `ModelError` naming what cannot be compiled."""
    model = read_model(data, name)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(f"{name}: {len(model.inputs)} inputs, {len(model.outputs)} outputs; supported: 1 of each")
    live = _live_operators(model)
    start, dtype, rest = _begin(model, live)
    end, rest = _end(model, rest)
    b = Builder(model)
    b.tensors["input"] = Tensor("input", without_batch(name, start), int8_type(name, start))
    b.names[start.index] = "input"
    for op in rest:
        _handler(op).build(b, op)
    if end.index not in b.names:
        raise ModelError(f"{name}: output {end.name} is never computed; export the model again")
    graph = Graph(name, b.tensors, tuple(b.nodes), ("input",), (b.names[end.index],))
    return Imported(validate(graph, Int8), dtype)


def _handler(op: Operator) -> Handler:
    handler = HANDLERS.get(op.code)
    if handler is None:
        known = ", ".join(sorted(HANDLERS))
        raise ModelError(f"{op.place}: this operator is not supported; {rewrite_of(op.code)}supported: {known}")
    return handler


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


def _begin(model: Model, live: list[Operator]) -> tuple[TensorInfo, str, list[Operator]]:
    """(first int8 tensor, type of the file's input, the operators after it). A QUANTIZE of the input becomes the
    conversion of raw samples."""
    info = model.tensors[model.inputs[0]]
    readers = [op for op in live if info.index in op.inputs]
    if info.type in ("FLOAT32", "UINT8") and len(readers) == 1 and readers[0].code == "QUANTIZE":
        first = model.tensors[readers[0].outputs[0]]
        if info.type == "FLOAT32" or _is_uint8_twin(info, first):
            return first, info.type.lower(), [op for op in live if op is not readers[0]]
    return info, "int8", live


def _is_uint8_twin(raw: TensorInfo, q: TensorInfo) -> bool:
    """Whether `raw` uint8 is `q` int8 plus 128."""
    a, b = raw.quantization, q.quantization
    return a is not None and b is not None and len(a.scale) == len(b.scale) == 1 and (
        a.scale[0] == b.scale[0] and a.zero_point[0] == b.zero_point[0] + 128
    )  # fmt: skip


def _end(model: Model, live: list[Operator]) -> tuple[TensorInfo, list[Operator]]:
    """(last int8 tensor, the operators up to it): a DEQUANTIZE, or a QUANTIZE to uint8, of the output is left to the
    caller."""
    info = model.tensors[model.outputs[0]]
    writers = [op for op in live if info.index in op.outputs]
    if len(writers) == 1 and writers[0].inputs and writers[0].inputs[0] >= 0:
        before = model.tensors[writers[0].inputs[0]]
        dequantized = info.type == "FLOAT32" and writers[0].code == "DEQUANTIZE"
        if dequantized or (info.type == "UINT8" and writers[0].code == "QUANTIZE" and _is_uint8_twin(info, before)):
            return before, [op for op in live if op is not writers[0]]
    return info, live
