"""One node of an ONNX graph as plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import onnx
import onnx.defs
from onnx import helper

from cpcc.archive.text import show, user_line
from cpcc.errors import ModelError
from cpcc.frontends.channels_first.site import Site
from cpcc.frontends.onnx.rewrites import rewrite_of

NAME_LENGTH = 60


@dataclass(frozen=True, eq=False)
class Operator:
    """`name` is the file's, cleaned; `attributes` include the defaults of the operator's schema; absent optional inputs
    are ""."""

    index: int
    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int
    line: str
    node: onnx.NodeProto

    @property
    def place(self) -> str:
        """``features.0.Conv (Conv, model.py:12)``"""
        return f"{self.name} ({', '.join(part for part in (self.type, self.line) if part)})"

    def site(self, result: int = 0) -> Site:
        """What the builders of layers are told; `result` is which of the operator's outputs is computed."""
        return Site(self.name, tensor_name(self, result), self.line, self.place)

    def refuse(self, what: str, value: Any, supported: Any) -> ModelError:
        return self.site().refuse(what, value, supported)

    def unsupported(self, known: str) -> ModelError:
        return ModelError(f"{self.place}: {self.type} is not supported; {rewrite_of(self.type)}supported: {known}")


def tensor_name(op: Operator, result: int = 0) -> str:
    """The graph's name for one of the operator's outputs: of the compiler's own making, so unique and fit for C."""
    return f"{op.type.lower()}_{op.index}" + (f"_{result}" if result else "")


def cleaned(name: str) -> str:
    """A name of the file in letters, digits, dots and underscores: ``/features/0/Conv`` is ``features.0.Conv``."""
    return re.sub(r"[^0-9A-Za-z_.]", "_", name.strip("/").replace("/", "."))[:NAME_LENGTH]


def read_operator(node: onnx.NodeProto, index: int, opset: int) -> Operator:
    """Raises `ModelError` where onnx knows no such operator."""
    kind = cleaned(node.op_type) or "operator"
    name = cleaned(node.name) or f"{kind.lower()}_{index}"
    own = {a.name: _plain(helper.get_attribute_value(a)) for a in node.attribute if a.type != onnx.AttributeProto.GRAPH}
    trace = next((p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.stack_trace"), None)
    attributes = _defaults(node.op_type, opset) | own
    return Operator(index, kind, name, tuple(node.input), tuple(node.output), attributes, opset, user_line(trace), node)


@cache
def _defaults(kind: str, opset: int) -> dict[str, Any]:
    try:
        schema = onnx.defs.get_schema(kind, opset, "")
    except onnx.defs.SchemaError:
        raise ModelError(f"{show(kind)}: unknown in opset {opset} of ONNX; export the model again") from None
    declared = {name: a.default_value for name, a in schema.attributes.items()}
    undefined = onnx.AttributeProto.UNDEFINED
    return {name: _plain(helper.get_attribute_value(v)) for name, v in declared.items() if v.type != undefined}


def _plain(value: Any) -> Any:
    """Bytes as text, lists as tuples."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)) or type(value).__name__.startswith("Repeated"):
        return tuple(_plain(v) for v in value)
    return value
