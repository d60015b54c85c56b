"""Signatures: which inputs are weights, and how the network is called."""

from __future__ import annotations

import json
from typing import Any

from cpcc.archive.tensors import TensorReader
from cpcc.archive.text import show
from cpcc.archive.values import parse_json

_LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}


class SignatureReader(TensorReader):
    """Rebuilds how a program is called."""

    def tensor_only(self, value: Any, what: str) -> dict[str, Any]:
        kind, content = self.single(value, what)
        if kind != "as_tensor":
            raise self.fail(f"{what} is no tensor ({show(kind)}); supported: tensors")
        return {"as_tensor": self.tensor_name(content)}

    def tensor_name(self, value: Any) -> dict[str, str]:
        return {"name": self.identifier(self.obj(value, "tensor").get("name"), "tensor")}

    def signature(self, signature: dict[str, Any]) -> dict[str, Any]:
        inputs, outputs = (self.items(signature.get(k), k) for k in ("input_specs", "output_specs"))
        return {
            "input_specs": [self.input_spec(v) for v in inputs],
            "output_specs": [self.output_spec(v) for v in outputs],
        }

    def input_spec(self, value: Any) -> dict[str, Any]:
        kind, content = self.single(value, "input_spec")
        spec = self.obj(content, "input_spec")
        if kind == "user_input":
            return {kind: {"arg": self.tensor_only(spec.get("arg"), "network input")}}
        keys = {
            "parameter": "parameter_name",
            "buffer": "buffer_name",
            "tensor_constant": "tensor_constant_name",
        }
        if kind not in keys:
            raise self.fail(f"input of the kind {show(kind)} is not supported; supported: tensors")
        result: dict[str, Any] = {
            "arg": self.tensor_name(spec.get("arg")),
            keys[kind]: self.path(spec.get(keys[kind]), kind),
        }
        if kind == "buffer":
            result["persistent"] = self.boolean(spec.get("persistent"), "persistent")
        return {kind: result}

    def output_spec(self, value: Any) -> dict[str, Any]:
        kind, content = self.single(value, "output_spec")
        if "mutation" in kind:
            raise self.fail("the network changes its own buffers or input; call .eval() before the export")
        if kind != "user_output":
            raise self.fail(f"output of the kind {show(kind)} is not supported; supported: tensors")
        return {kind: {"arg": self.tensor_only(self.obj(content, "output").get("arg"), "network output")}}

    def call_graph(self, module: dict[str, Any]) -> list[dict[str, Any]]:
        """Only the root entry (how the whole network is called); submodules' are not needed."""
        for entry in self.items(module.get("module_call_graph"), "module_call_graph"):
            if self.obj(entry, "module_call_graph").get("fqn") == "" and entry.get("signature"):
                return [{"fqn": "", "signature": self.call_signature(self.obj(entry["signature"], "signature"))}]
        raise self.fail("the program does not say how it is called")

    def call_signature(self, value: dict[str, Any]) -> dict[str, Any]:
        names = value.get("forward_arg_names")
        return {
            "inputs": [],
            "outputs": [],
            "in_spec": self.tree_spec(value.get("in_spec")),
            "out_spec": self.tree_spec(value.get("out_spec")),
            "forward_arg_names": None if names is None else [self.identifier(n, "argument") for n in names],
        }

    def tree_spec(self, value: Any) -> str:
        tree = parse_json(value, f"{self.name}: call signature") if isinstance(value, str) else None
        if not isinstance(tree, list) or len(tree) != 2 or tree[0] != 1:
            raise self.fail("the call signature is unknown; supported: tensor arguments")
        return json.dumps([1, self.tree(self.obj(tree[1], "call signature"))])

    def tree(self, value: dict[str, Any]) -> dict[str, Any]:
        """Tuples, lists and dicts with plain words as keys."""
        kind, context = value.get("type"), value.get("context")
        children = self.items(value.get("children_spec"), "call signature")
        if (kind, context, children) == (None, None, []):
            return dict(_LEAF)
        sequence = kind in ("builtins.tuple", "builtins.list") and context == "null"
        if kind == "builtins.dict" and isinstance(context, str):
            keys = [
                self.identifier(key, "call signature") for key in self.items(parse_json(context, self.name), "keys")
            ]
            context, sequence = json.dumps(keys), len(set(keys)) == len(keys) == len(children)
        if not sequence:
            raise self.fail(
                "object arguments and results are not supported; supported: tensors, tuples and dicts of them"
            )
        nested = [self.tree(self.obj(child, "call signature")) for child in children]
        return {"type": kind, "context": context, "children_spec": nested}
