"""An ``.onnx`` file's bytes as a checked model. Nothing in it is executed and no other file is read."""

from __future__ import annotations

from collections.abc import Iterator

import google.protobuf.message
import onnx
import onnx.checker
import onnx.shape_inference
from onnx import external_data_helper

from cpcc.archive.text import one_line, show
from cpcc.errors import ModelError
from cpcc.frontends.onnx.rewrites import contrib_rewrite_of

MAX_BYTES = 2**26
MAX_PARSED = 3 * 2**27
OLDEST_OPSET = 9
DOMAINS = ("", "ai.onnx")
CONTRIB = "com.microsoft"
EXPORT = "torch.onnx.export, tf2onnx and skl2onnx write such files"


def read_model(data: bytes, name: str) -> onnx.ModelProto:
    """The model in `data`, checked by onnx's own checker, with a dynamic batch set to 1 and the shapes inferred that
    follow. Raises `ModelError`."""
    model = _parse(data, name)
    _refuse_unsupported(model, name)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError, TypeError, UnicodeError) as error:
        raise ModelError(f"{name}: not a valid ONNX model ({one_line(error)}); export it again") from None
    _fix_batch(model)
    return _with_shapes(model, name)


def _parse(data: bytes, name: str) -> onnx.ModelProto:
    from cpcc.frontends.onnx.wire import parsed_bytes

    if len(data) > MAX_BYTES:
        raise ModelError(f"{name}: {len(data):,} B; supported: up to {MAX_BYTES:,}")
    model = onnx.ModelProto()
    try:
        needed = parsed_bytes(data, model.DESCRIPTOR, MAX_PARSED)
        if needed >= MAX_PARSED:
            raise ModelError(f"{name}: more than {MAX_PARSED:,} B once parsed; supported: smaller models")
        model.ParseFromString(data)
    except (google.protobuf.message.DecodeError, ValueError, RecursionError) as error:
        raise ModelError(f"{name}: not an ONNX model, or damaged ({one_line(error)}); {EXPORT}") from None
    if not model.HasField("graph") or not model.graph.node:
        raise ModelError(f"{name}: not an ONNX model, or one without nodes; {EXPORT}")
    return model


def _refuse_unsupported(model: onnx.ModelProto, name: str) -> None:
    """What is looked at before onnx sees the model: it would open external files."""
    if model.functions:
        raise ModelError(
            f"{name}: model-local functions; inline them: onnx.inliner.inline_local_functions(onnx.load(FILE))"
        )
    for tensor in _tensors(model.graph):
        if external_data_helper.uses_external_data(tensor):
            raise ModelError(
                f"{name}: tensor {show(tensor.name)} lies in another file, which is never opened; save one file: "
                "onnx.save(onnx.load(FILE), OUT, save_as_external_data=False)"
            )
    for node in model.graph.node:
        if node.domain not in DOMAINS:
            near = contrib_rewrite_of(node.op_type) if node.domain == CONTRIB else ""
            raise ModelError(
                f"{name}: node {show(node.name or next(iter(node.output), ''))} ({show(node.domain)}.{show(node.op_type)}): custom "
                f"operators are not supported; {near}supported: the domain ai.onnx, so export without contrib operators"
            )
    opset = opset_of(model)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ModelError(
            f"{name}: opset {opset}; supported: {OLDEST_OPSET} to {newest}, so export with opset_version=17, or convert: "
            "onnx.version_converter.convert_version(model, 17)"
        )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the operators of the domain ai.onnx; 0 where the model names none."""
    return max((entry.version for entry in model.opset_import if entry.domain in DOMAINS), default=0)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor in the graph, those in attributes and in graphs inside included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def input_infos(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that samples come in by: those that are no initializers."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in constants]


def _fix_batch(model: onnx.ModelProto) -> None:
    """A first dimension without a size is the batch: 1. Shapes that depend on it are inferred anew."""
    for info in input_infos(model):
        dims = info.type.tensor_type.shape.dim
        if len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
    del model.graph.value_info[:]
    for info in model.graph.output:
        info.type.tensor_type.ClearField("shape")


def _with_shapes(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError, TypeError, UnicodeError) as error:
        raise ModelError(f"{name}: shapes or types do not fit ({one_line(error)}); export the model again") from None
