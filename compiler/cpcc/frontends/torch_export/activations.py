"""Functions of one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cpcc.frontends.channels_first.activations import SELU, activate, clip, power, prelu, softmax
from cpcc.frontends.channels_first.builder import Value
from cpcc.frontends.torch_export.families import Layers
from cpcc.frontends.torch_export.importer import Importer
from cpcc.frontends.torch_export.source import arguments, kind, site
from cpcc.ops import float_params as fp

if TYPE_CHECKING:
    import torch

Params = Callable[[dict[str, Any]], fp.Relu | fp.Lookup]


def _plain(name: str) -> Params:
    return lambda a: fp.Lookup(name)


def _gelu(a: dict[str, Any]) -> fp.Lookup:
    return fp.Lookup("gelu_tanh" if a["approximate"] == "tanh" else "gelu")


ACTIVATIONS: dict[str, Params] = {
    "relu": lambda a: fp.Relu(),
    "relu6": lambda a: fp.Relu(6.0),
    "hardtanh": lambda a: clip(a["min_val"], a["max_val"]),
    "clamp": lambda a: clip(a["min"], a["max"]),
    "clamp_min": lambda a: clip(a["min"], None),
    "leaky_relu": lambda a: fp.Lookup("leaky_relu", (float(a["negative_slope"]),)),
    "elu": lambda a: fp.Lookup("elu", (float(a["alpha"]), float(a["scale"]), float(a["input_scale"]))),
    "celu": lambda a: fp.Lookup("elu", (float(a["alpha"]), 1.0, 1.0 / float(a["alpha"]))),
    "selu": lambda a: fp.Lookup("elu", (*SELU, 1.0)),
    "gelu": _gelu,
    "softplus": lambda a: fp.Lookup("softplus", (float(a["beta"]), float(a["threshold"]))),
    **{name: _plain(name) for name in (
        "sigmoid", "hardsigmoid", "hardswish", "tanh", "silu", "mish", "log_sigmoid", "exp", "abs", "square", "erf",
    )},
}  # fmt: skip


def _activate(importer: Importer, node: torch.fx.Node, params: fp.Relu | fp.Lookup) -> Value:
    """`params` of the node's input; where the operation is in place, of everything that shares its memory."""
    value = importer.value(node)
    result = activate(importer, site(node), value, params)
    if kind(node).endswith("_"):
        importer.overwrite(node, value, result)
    return result


def _activation(importer: Importer, node: torch.fx.Node) -> Value:
    return _activate(importer, node, ACTIVATIONS[kind(node).rstrip("_")](arguments(node)))


def _prelu(importer: Importer, node: torch.fx.Node) -> Value:
    value, slopes = importer.value(node), importer.required(node, "weight")
    per_channel = slopes.reshape(-1, *[1] * max(0, len(value.shape) - 2)) if slopes.size > 1 else slopes
    return prelu(importer, site(node), value, per_channel)


def _power(importer: Importer, node: torch.fx.Node) -> Value:
    return _activate(importer, node, power(site(node), arguments(node)["exponent"]))


def _softmax(importer: Importer, node: torch.fx.Node) -> Value:
    value = importer.value(node)
    params = fp.LogSoftmax() if "log" in kind(node) else fp.Softmax()
    return softmax(importer, site(node), value, arguments(node)["dim"] % len(value.shape), params)


_TABLES = ("LeakyReLU", "PReLU (a table per slope)", "Hardtanh", "Hardswish", "Hardsigmoid", "Sigmoid", "Tanh", "SiLU", "GELU", "Mish", "ELU", "CELU",
           "SELU", "Softplus", "LogSigmoid", "clamp", "abs", "square", "exp", "erf", "pow (whole exponents)")  # fmt: skip
_FUSED = ("relu", "relu_", "relu6", "relu6_")
FAMILY = (
    Layers(("ReLU", "ReLU6"), "fused into the layer before it where only it reads that layer, else relu or lookup", "",
           dict.fromkeys(_FUSED, _activation)),
    Layers(_TABLES, "lookup, a table of 256 values", "a final Sigmoid is dropped",
           {k: _activation for name in ACTIVATIONS for k in (name, f"{name}_") if k not in _FUSED}
           | {"pow": _power, "prelu": _prelu}),
    Layers(("Softmax", "LogSoftmax"), "softmax, log_softmax; dropped at the end of a detector", "",
           dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), _softmax)),
)  # fmt: skip
