"""Models in the QDQ format made of float ones: QuantizeLinear and DequantizeLinear around what they compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cpcc.graph import Int8
from cpcc.quant.types import affine_int8

WEIGHTED = {"Conv": 0, "ConvTranspose": 1, "Gemm": -1, "MatMul": 1}  # axis of the outputs in the weights


@dataclass(frozen=True)
class Style:
    """How activations and weights are written."""

    uint8: bool = False
    per_channel: bool = True
    unsigned_weights: bool = False
    headroom: float = 1.0  # of the weights' scales: above 1 no weight reaches 127


def zero_point(kind: Int8, uint8: bool) -> np.ndarray:
    return np.array(kind.zero_point + 128, np.uint8) if uint8 else np.array(kind.zero_point, np.int8)


def wide_kind(x: np.ndarray) -> Int8:
    """The type of x's range, with a scale that float32 holds."""
    kind = affine_int8(float(x.min()), float(x.max()))
    return Int8(float(np.float32(kind.scale)), kind.zero_point)


def quantized_file(data: bytes, kinds: dict[str, Int8], style: Style = Style()) -> bytes:
    """The model of `data` with every tensor of `kinds` (inputs, and what nodes compute) rounded to its type, and the
    weights of convolutions and products in int8, their biases in int32."""
    model = onnx.load_model_from_string(data)
    graph = model.graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    before: list[onnx.NodeProto] = []
    nodes: list[onnx.NodeProto] = []
    renamed: dict[str, str] = {}

    def constant(name: str, value: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def pair(name: str, source: str) -> list[onnx.NodeProto]:
        kind = kinds[name]
        scale = constant(f"{name}_scale", np.float32(kind.scale).reshape(()))
        zero = constant(f"{name}_zero", zero_point(kind, style.uint8))
        return [
            helper.make_node("QuantizeLinear", [source, scale, zero], [f"{name}_q"], name=f"q_{name}"),
            helper.make_node("DequantizeLinear", [f"{name}_q", scale, zero], [f"{name}_dq"], name=f"dq_{name}"),
        ]

    def stored(name: str, value: np.ndarray, scale: np.ndarray, axis: int, dtype: type) -> str:
        shape = [1] * value.ndim
        if scale.size > 1:
            shape[axis] = -1
        offset = 128 if dtype is np.uint8 else 0
        q = (np.rint(value / scale.reshape(shape)) + offset).astype(dtype)
        names = [constant(f"{name}_int", q), constant(f"{name}_step", scale.astype(np.float32).reshape(() if scale.size == 1 else -1)),
                 constant(f"{name}_mid", np.full(() if scale.size == 1 else scale.shape, offset, dtype))]  # fmt: skip
        before.append(helper.make_node("DequantizeLinear", names, [f"{name}_real"], name=f"dq_{name}", axis=axis))
        return f"{name}_real"

    for info in graph.input:
        if info.name in kinds:
            before += pair(info.name, info.name)
            renamed[info.name] = f"{info.name}_dq"
    for node in graph.node:
        own = onnx.NodeProto()
        own.CopyFrom(node)
        if node.op_type in WEIGHTED:
            _weights(own, constants, kinds, style, stored)
        own.input[:] = [renamed.get(name, name) for name in own.input]
        nodes.append(own)
        for i, name in enumerate(node.output):
            if name in kinds:
                own.output[i] = f"{name}_raw"
                nodes += pair(name, f"{name}_raw")
                renamed[name] = f"{name}_dq"
    for info in graph.output:
        if info.name in renamed:
            nodes.append(helper.make_node("Identity", [renamed[info.name]], [info.name], name=f"out_{info.name}"))
    graph.ClearField("node")
    graph.node.extend(before + nodes)
    del graph.value_info[:]
    return model.SerializeToString()


def _weights(node: onnx.NodeProto, constants: dict, kinds: dict[str, Int8], style: Style, stored) -> None:
    """Replaces the node's weights and bias by integers."""
    operand = 0 if node.input[0] in constants else 1
    weight = constants[node.input[operand]]
    axis = WEIGHTED[node.op_type] if operand else 0
    if axis < 0:
        axis = 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    rest = tuple(i for i in range(weight.ndim) if i != axis)
    wide = style.per_channel and not (node.op_type == "ConvTranspose" and groups > 1)
    largest = np.abs(weight).max(axis=rest) if wide else np.abs(weight).max().reshape(1)
    scale = (np.maximum(largest, 1e-6) / 127 * style.headroom).astype(np.float32)
    node.input[operand] = stored(
        node.input[operand], weight, scale, axis, np.uint8 if style.unsigned_weights else np.int8
    )
    if len(node.input) > 2 and node.input[2]:
        x = np.float32(kinds[node.input[1 - operand]].scale)
        beta = next((a.f for a in node.attribute if a.name == "beta"), 1.0)
        alpha = next((a.f for a in node.attribute if a.name == "alpha"), 1.0)
        bias = constants[node.input[2]]
        step = (x * scale * np.float32(alpha / beta)).astype(np.float32)
        step = step if step.size in (1, bias.size) and bias.ndim == 1 else step.max().reshape(1)
        node.input[2] = stored(node.input[2], bias, step, 0, np.int32)
