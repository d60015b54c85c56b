"""Programs: graph, nodes and their arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cpcc.archive.aten import ATEN_OPS
from cpcc.archive.signature import SignatureReader
from cpcc.archive.text import clean_metadata, control_flow_message, op_message, show

SCHEMA_MAJOR = 8  # torch._export.serde.schema.SCHEMA_VERSION of torch 2.13 is (8, 20)


_VERIFIERS = ("TRAINING", "ATEN")


class ProgramReader(SignatureReader):
    """Rebuilds the JSON documents of one archive."""

    def program(self, member: str) -> dict[str, Any]:
        document = self.document(member)
        self._check_versions(document)
        module = self.obj(self.get(document, "graph_module", member), "graph_module")
        return {
            "graph_module": {
                "graph": self.graph(self.obj(self.get(module, "graph", member), "graph")),
                "signature": self.signature(self.obj(self.get(module, "signature", member), "signature")),
                "module_call_graph": self.call_graph(module),
                "metadata": {},
                "treespec_namedtuple_fields": {},
            },
            "opset_version": {"aten": self._opset(document)},
            "range_constraints": {},
            "schema_version": {"major": SCHEMA_MAJOR, "minor": 0},
            "verifiers": [v for v in self.items(document.get("verifiers", []), "verifiers") if v in _VERIFIERS],
            "torch_version": "2.13.0",
            "guards_code": [],  # Python source that ExportedProgram.module() would compile
        }

    def _check_versions(self, document: dict[str, Any]) -> None:
        major = self.obj(document.get("schema_version"), "schema_version").get("major")
        if major != SCHEMA_MAJOR:
            raise self.fail(f"export schema {show(major)}, supported: {SCHEMA_MAJOR}; export with torch 2.13")
        if document.get("range_constraints"):
            raise self.fail("shapes are dynamic, which is not supported; export without dynamic_shapes")

    def _opset(self, document: dict[str, Any]) -> int:
        return self.integer(self.obj(document.get("opset_version"), "opset_version").get("aten"), "opset")

    def graph(self, graph: dict[str, Any]) -> dict[str, Any]:
        for key in ("sym_int_values", "sym_bool_values", "sym_float_values", "custom_obj_values"):
            if graph.get(key):
                raise self.fail(f"the program has {key}: dynamic shapes and objects are not supported")
        inputs, outputs, nodes = (self.items(graph.get(k), k) for k in ("inputs", "outputs", "nodes"))
        values = self.obj(graph.get("tensor_values"), "tensor_values")
        nodes = self.live([self.obj(node, "node") for node in nodes], outputs)
        named = set(_words([inputs, outputs, *nodes]))
        return {
            "inputs": [self.tensor_only(v, "program input") for v in inputs],
            "outputs": [self.tensor_only(v, "program output") for v in outputs],
            "nodes": [self.node(node) for node in nodes],
            "tensor_values": {
                self.identifier(key, "tensor"): self.tensor_meta(v, f"tensor {show(key)}")
                for key, v in values.items()
                if key in named
            },
            "sym_int_values": {},
            "sym_bool_values": {},
            "is_single_tensor_return": False,
            "custom_obj_values": {},
            "sym_float_values": {},
        }

    def live(self, nodes: list[dict[str, Any]], outputs: list[Any]) -> list[dict[str, Any]]:
        """Nodes that the program's outputs depend on, and operations in place: what else there is need not be supported.
        Raises `ModelError` for control flow, which is named rather than what computes its condition."""
        needed = set(_words(outputs))
        found = []
        for node in reversed(nodes):
            if str(node.get("target")).startswith("torch.ops.higher_order"):
                raise self.fail(control_flow_message(node, clean_metadata(node.get("metadata"))))
            in_place = str(node.get("target")).split(".")[-2:-1][:1]
            if any(word.endswith("_") for word in in_place) or not needed.isdisjoint(_words(node.get("outputs"))):
                needed.update(_words(node.get("inputs")))
                found.append(node)
        return found[::-1]

    def node(self, node: dict[str, Any]) -> dict[str, Any]:
        metadata = clean_metadata(node.get("metadata"))
        target = node.get("target")
        if target not in ATEN_OPS:
            raise self.fail(op_message(target, node, metadata))
        name = node.get("name")
        return {
            "target": target,
            "inputs": [self.named_argument(self.obj(v, "argument")) for v in self.items(node.get("inputs"), "inputs")],
            "outputs": [self.output(v) for v in self.items(node.get("outputs"), "outputs")],
            "metadata": metadata,
            "is_hop_single_tensor_return": None,
            "name": None if name is None else self.identifier(name, "node"),
        }

    def output(self, value: Any) -> dict[str, Any]:
        kind, content = self.single(value, "node output")
        if kind == "as_tensors":
            return {"as_tensors": [self.tensor_name(v) for v in self.items(content, "node output")]}
        return self.tensor_only(value, "node output")

    def named_argument(self, value: dict[str, Any]) -> dict[str, Any]:
        name = self.argument_name(value.get("name"))
        kind = value.get("kind")
        if kind not in (None, 1, 2):
            raise self.fail(f"argument {name} has the unknown kind {show(kind)}")
        return {"name": name, "arg": self.argument(value.get("arg"), f"argument {name}"), "kind": kind}

    def argument_name(self, value: Any) -> str:
        return self.identifier(value, "argument")

    def argument(self, value: Any, what: str) -> dict[str, Any]:
        kind, content = self.single(value, what)
        convert = _ARGUMENTS.get(kind)
        if convert is None:
            raise self.fail(f"{what} is of the kind {show(kind)}; supported: tensors and constant numbers")
        return {kind: convert(self, content, what)}

    def optional_tensor(self, value: Any, what: str) -> dict[str, Any]:
        kind, content = self.single(value, what)
        return {"as_none": True} if kind == "as_none" else self.tensor_only({kind: content}, what)


def _words(value: Any) -> Iterator[str]:
    """Every text in a JSON value: names of tensors, and words that no tensor has."""
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict | list):
            rest += part.values() if isinstance(part, dict) else part


def _many(one: Callable[[ProgramReader, Any, str], Any]) -> Callable[[ProgramReader, Any, str], list[Any]]:
    return lambda reader, value, what: [one(reader, v, what) for v in reader.items(value, what)]


# Kinds of node arguments. Missing on purpose: as_graph (control flow), as_custom_obj, as_operator, as_sym_*,
# as_complex, nested lists and dicts.
_ARGUMENTS: dict[str, Callable[[ProgramReader, Any, str], Any]] = {
    "as_none": lambda reader, value, what: True,
    "as_tensor": lambda reader, value, what: reader.tensor_name(value),
    "as_tensors": _many(lambda reader, value, what: reader.tensor_name(value)),
    "as_optional_tensors": _many(ProgramReader.optional_tensor),
    "as_int": ProgramReader.integer,
    "as_ints": _many(ProgramReader.integer),
    "as_float": ProgramReader.number,
    "as_floats": _many(ProgramReader.number),
    "as_bool": ProgramReader.boolean,
    "as_bools": _many(ProgramReader.boolean),
    "as_string": ProgramReader.word,
    "as_scalar_type": ProgramReader.small_int,
    "as_memory_format": ProgramReader.small_int,
    "as_layout": ProgramReader.small_int,
    "as_device": lambda reader, value, what: reader._device(value, what),
}
