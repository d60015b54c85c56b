"""Where a node of an exported program comes from, and the messages that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cpcc.archive import instead, user_line
from cpcc.errors import ModelError
from cpcc.frontends.channels_first.site import Site

if TYPE_CHECKING:
    import torch


def kind(node: torch.fx.Node) -> str:
    """``conv2d`` of ``aten.conv2d.padding``."""
    return str(node.target).split(".")[1] if str(node.target).startswith("aten.") else str(node.target)


def module(node: torch.fx.Node) -> tuple[str, str]:
    """Path and class of the module of `node`, as ("features.0", "torch.nn.modules.conv.Conv2d")."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return (str(stack[-1][0]), str(stack[-1][1])) if stack else ("", "")


def node_name(node: torch.fx.Node) -> str:
    """The module's path for torch's own layers; path and operation for a function called in user code."""
    path, layer = module(node)
    if layer.startswith("torch.nn.modules") and path:
        return path
    return f"{path}.{node.name}" if path else node.name


def source_line(node: torch.fx.Node) -> str:
    return user_line(node.meta.get("stack_trace"))


def place(node: torch.fx.Node) -> str:
    """``net.3 (GELU, model.py:12)``"""
    cls = module(node)[1]
    layer = cls.rpartition(".")[2] if cls.startswith("torch.nn.modules") else f"aten.{kind(node)}"
    return f"{node_name(node)} ({', '.join(part for part in (layer, source_line(node)) if part)})"


def site(node: torch.fx.Node) -> Site:
    """What the builders of layers are told about `node`."""
    return Site(node_name(node), node.name, source_line(node), place(node))


def unsupported(node: torch.fx.Node) -> ModelError:
    return ModelError(f"{place(node)}: aten.{kind(node)} is not supported; {instead(kind(node))}")


def refuse(node: torch.fx.Node, what: str, value: Any, supported: Any) -> ModelError:
    return site(node).refuse(what, value, supported)


def arguments(node: torch.fx.Node) -> dict[str, Any]:
    """All arguments by name, defaults included."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    result = {a.name: a.default_value for a in schema if a.has_default_value()}
    result.update({a.name: value for a, value in zip(schema, node.args)})
    return result | dict(node.kwargs)


def numbers(value: Any) -> tuple[Any, ...]:
    """torch's ``2`` and ``[2, 3]`` alike as a tuple."""
    return (value,) if isinstance(value, (int, float)) else tuple(value)
