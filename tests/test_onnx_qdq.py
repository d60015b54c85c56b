"""Models that are quantized already (QDQ): the file's scales are kept, and integers follow ONNX Runtime's."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from cpcc.detector import to_channels_last
from cpcc.errors import ModelError
from cpcc.frontends.onnx import to_graph
from cpcc.graph import Graph, Int8
from cpcc.ops.conv2d import QConv2d
from cpcc.ops.linear import QLinear
from cpcc.quantize import run_int8
from onnx_files import node, onnx_file, run_oracle
from onnx_qdq import Style, quantized_file, wide_kind
from support import assert_equal, compiled, detector_for, extreme_inputs
from test_onnx_ops import DRAWS

# Upsample is older than QuantizeLinear. A recurrent layer between DequantizeLinear and QuantizeLinear is float; LogSoftmax and Cast have no values of their own.
KINDS = sorted(set(DRAWS) - {"GRU", "LSTM", "Cast", "Dropout", "Upsample"})
MOVES = {"Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "GlobalMaxPool", "Pad", "ReduceMax",
         "Relu", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Upsample"}  # fmt: skip
SAMPLES = 6


def shapes_of(data: bytes) -> dict[str, tuple[int, ...]]:
    graph = onnx.load_model_from_string(data).graph
    return {info.name: tuple(d.dim_value for d in info.type.tensor_type.shape.dim) for info in graph.input}


def steps_off(graph: Graph, data: bytes, feeds: list[dict[str, np.ndarray]], optimized: bool) -> np.ndarray:
    """Our integers less ONNX Runtime's, one row per sample."""
    kind = graph.output.type
    assert isinstance(kind, Int8)
    rows = []
    for feed in feeds:
        own = graph.input.type
        assert isinstance(own, Int8)
        (x,) = feed.values()
        ours = run_int8(graph, own.quantize(entering(graph, x))).astype(int).ravel()
        theirs = run_oracle(data, feed, optimized)[0].astype(np.float64).ravel()
        rows.append(ours - (np.rint(theirs / kind.scale).astype(int) + kind.zero_point))
    return np.stack(rows)


def entering(graph: Graph, x: np.ndarray) -> np.ndarray:
    """A sample (1, ...) of the file's layout in the graph's."""
    return to_channels_last(x.astype(np.float64)).reshape(1, *graph.input.shape)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6, deadline=None, report_multiple_bugs=False)
@given(data=st.data())
def test_every_operator_follows_onnx_runtime(kind: str, data: Any) -> None:
    """At most one step from ONNX Runtime, which computes each node in float32 and rounds; none where values are only moved."""
    model, shapes = DRAWS[kind](data)
    if len(shapes) > 1:
        return  # `test_two_inputs`
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16), label="input"))
    feeds = [
        {name: rng.normal(0.3, 1.5, shape).astype(np.float32) for name, shape in shapes.items()} for _ in range(SAMPLES)
    ]
    results = np.concatenate([run_oracle(model, feed)[0].ravel() for feed in feeds])
    x = wide_kind(np.concatenate([f["x"].ravel() for f in feeds]))
    y = Int8(1 / 256, -128) if kind == "Softmax" else x if kind in (*MOVES, "AveragePool") else wide_kind(results)
    style = Style(*(data.draw(st.booleans(), label=name) for name in ("uint8", "per channel", "unsigned weights")))
    file = quantized_file(model, {"x": x, "y": y}, style)
    imported = to_graph(file, "t")
    assert imported.quantized and (imported.graph.input.type, imported.graph.output.type) == (x, y)
    off = steps_off(imported.graph, file, feeds, optimized=False)
    assert np.abs(off).max() <= (0 if kind in MOVES else 1), (kind, off)


@pytest.mark.parametrize("strides", [[1, 1], [2, 3]])
def test_a_mean_with_a_scale_of_its_own_is_rounded_once(strides: list[int]) -> None:
    rng = np.random.default_rng(0)
    model = onnx_file([node("AveragePool", ["x"], kernel_shape=[2, 3], strides=strides)], {"x": (1, 3, 6, 9)})
    feeds = [{"x": rng.normal(0, 1, (1, 3, 6, 9)).astype(np.float32)} for _ in range(20)]
    y = wide_kind(np.concatenate([run_oracle(model, feed)[0].ravel() for feed in feeds]))
    file = quantized_file(model, {"x": wide_kind(np.stack([f["x"] for f in feeds])), "y": y})
    assert np.abs(steps_off(to_graph(file, "t").graph, file, feeds, optimized=False)).max() <= 1


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Concat"])
@pytest.mark.parametrize("seed", range(3))
def test_two_inputs(kind: str, seed: int) -> None:
    """Both operands computed, each with a type of its own."""
    rng = np.random.default_rng(seed)
    w = {"w": rng.normal(0, 1, (3, 2, 1, 1)).astype(np.float32)}
    attributes = {"axis": 1} if kind == "Concat" else {}
    operands = ["x", "c"] if kind == "Concat" else ["c", "d"]
    nodes = [node("Conv", ["x", "w"], ["c"]), node("Tanh", ["c"], ["d"]), node(kind, operands, **attributes)]
    model = onnx_file(nodes, {"x": (1, 2, 5, 5)}, w)
    feeds = [{"x": rng.normal(0, 1, (1, 2, 5, 5)).astype(np.float32)} for _ in range(20)]
    kinds = {"x": wide_kind(np.stack([f["x"] for f in feeds])), "c": Int8(float(np.float32(0.03)), 3),
             "d": Int8(1 / 128, 0), "y": Int8(float(np.float32(0.031)), -5)}  # fmt: skip
    file = quantized_file(model, kinds, Style(uint8=bool(seed % 2)))
    off = steps_off(to_graph(file, "t").graph, file, feeds, optimized=False)
    assert np.abs(off).max() <= 2, off  # one step of the first layer's, one of its own
    assert (off != 0).mean() < 0.05


def test_weights_biases_and_scales_are_the_files() -> None:
    rng = np.random.default_rng(0)
    constants = {"w": rng.normal(0, 1, (3, 2, 2, 2)).astype(np.float32), "b": rng.normal(0, 1, 3).astype(np.float32)}
    model = onnx_file([node("Conv", ["x", "w", "b"])], {"x": (1, 2, 4, 4)}, constants)
    x, y = Int8(0.03125, 5), Int8(0.0625, -7)
    for unsigned in (False, True):
        file = quantized_file(model, {"x": x, "y": y}, Style(True, unsigned_weights=unsigned, headroom=1.3))
        stored = {
            t.name: numpy_helper.to_array(t).astype(int)
            for t in onnx.load_model_from_string(file).graph.initializer
            if "int" in t.name
        }
        graph = to_graph(file, "t").graph
        (conv,) = [n.params for n in graph.nodes if isinstance(n.params, QConv2d)]
        weights = stored["w_int"] - (128 if unsigned else 0)
        np.testing.assert_array_equal(conv.weight, weights.transpose(0, 2, 3, 1))
        folded = stored["b_int"] - x.zero_point * weights.reshape(3, -1).sum(1)
        np.testing.assert_array_equal(conv.output.bias, folded)


def test_a_large_bias_keeps_every_bit() -> None:
    """float32 would round an int32 bias of this size."""
    w, b = np.eye(2, dtype=np.float32), np.array([123.4567, -98.76543], np.float32)
    model = onnx_file([node("Gemm", ["x", "w", "b"])], {"x": (1, 2)}, {"w": w, "b": b})
    file = quantized_file(model, {"x": Int8(1e-5, 0), "y": Int8(1.0, 0)}, Style(per_channel=False))
    stored = next(
        numpy_helper.to_array(t) for t in onnx.load_model_from_string(file).graph.initializer if t.name == "b_int"
    )
    (layer,) = [n.params for n in to_graph(file, "t").graph.nodes if isinstance(n.params, QLinear)]
    assert np.abs(stored).max() > 2**28
    assert (
        np.abs(layer.output.bias.astype(int) - stored).max() <= np.abs(stored).max() * 2.0**-24
    )  # of the stored scale


class Reader(CalibrationDataReader):
    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(1)
        self.samples = iter([{"x": rng.normal(0, 1, (1, *shape)).astype(np.float32)} for _ in range(16)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.samples, None)


NETWORK_SHAPE = (2, 8, 8)


def network() -> bytes:
    """Depthwise and plain convolutions, a residual sum, a concat, activations as tables, pools, a softmax."""
    rng = np.random.default_rng(0)
    constants = {"w": rng.normal(0, 0.5, (4, 2, 3, 3)), "b": rng.normal(0, 0.5, 4), "dw": rng.normal(0, 0.5, (4, 1, 3, 3)),
                 "v": rng.normal(0, 1, (3, 8)), "c": rng.normal(0, 0.2, 3)}  # fmt: skip
    nodes = [
        node("Conv", ["x", "w", "b"], ["conv"], pads=[1] * 4), node("Relu", ["conv"], ["relu"]),
        node("Conv", ["relu", "dw"], ["deep"], group=4, pads=[1] * 4), node("Add", ["relu", "deep"], ["sum"]),
        node("Concat", ["sum", "deep"], ["both"], axis=1),
        node("MaxPool", ["both"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        node("HardSwish", ["pool"], ["swish"]), node("GlobalAveragePool", ["swish"], ["mean"]),
        node("Flatten", ["mean"], ["flat"]), node("Gemm", ["flat", "v", "c"], ["logits"], transB=1), node("Softmax", ["logits"]),
    ]  # fmt: skip
    return onnx_file(nodes, {"x": (1, *NETWORK_SHAPE)}, {n: v.astype(np.float32) for n, v in constants.items()})


def statically_quantized(folder: Path, uint8: bool, per_channel: bool) -> bytes:
    """`network` as onnxruntime's quantize_static writes it."""
    (folder / "float.onnx").write_bytes(network())
    logging.disable(logging.WARNING)  # its advice to preprocess the model
    try:
        quantize_static(
            folder / "float.onnx", folder / "qdq.onnx", Reader(NETWORK_SHAPE), quant_format=QuantFormat.QDQ, per_channel=per_channel,
            activation_type=QuantType.QUInt8 if uint8 else QuantType.QInt8, weight_type=QuantType.QInt8,
            reduce_range=uint8,  # else ONNX Runtime's sums of unsigned with signed saturate where the CPU has AVX2 alone
        )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    return (folder / "qdq.onnx").read_bytes()


@pytest.mark.parametrize(("uint8", "per_channel"), [(False, True), (True, False)])
def test_a_network_of_quantize_static(uint8: bool, per_channel: bool, tmp_path: Path) -> None:
    """Against ONNX Runtime node by node in float, and as it fuses them to integer kernels; then on host and ARM."""
    data = statically_quantized(tmp_path, uint8, per_channel)
    graph = to_graph(data, "t").graph
    rng = np.random.default_rng(2)
    feeds = [{"x": rng.normal(0, 1, (1, *NETWORK_SHAPE)).astype(np.float32)} for _ in range(50)]
    for optimized in (False, True):
        off = steps_off(graph, data, feeds, optimized)
        print(f"optimized {optimized}: {(off != 0).mean():.1%} of the outputs differ, by at most {np.abs(off).max()}")
        assert np.abs(off).max() <= 2
    c = compiled(detector_for(graph, NETWORK_SHAPE))
    q = extreme_inputs(rng, graph.input.shape)
    trace = c.reference().run(q, quantized=True, nodes=True)
    assert_equal(trace, c.host().run(q, quantized=True, nodes=True))
    assert_equal(trace, c.arm().run(q, quantized=True, nodes=True))


BASE = quantized_file(onnx_file([node("Relu", ["x"], ["r"]), node("Tanh", ["r"])], {"x": (1, 4)}),
                      {"x": Int8(0.03125, 0), "r": Int8(0.03125, 0), "y": Int8(0.0078125, 0)})  # fmt: skip


def changed(change: Any) -> bytes:
    model = onnx.load_model_from_string(BASE)
    change(model)
    return model.SerializeToString()


def constant(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(value, name))


def only(model: onnx.ModelProto, kinds: dict[str, Int8]) -> bytes:
    return quantized_file(onnx_file([node("Relu", ["x"], ["r"]), node("Tanh", ["r"])], {"x": (1, 4)}), kinds)


STEP = Int8(0.03125, 0)
CASES = [
    ("a layer in float", lambda: only(None, {"x": STEP, "y": STEP}), None),
    ("an output in float", lambda: only(None, {"x": STEP}), r"tanh_y: its result is not quantized; supported: QuantizeLinear and"),
    ("an input in float", lambda: only(None, {"r": STEP, "y": STEP}), None),
    ("int16", lambda: changed(lambda m: constant(m, "y_zero", np.array(0, np.int16))), "opset|int16|do not fit"),
    ("scales differ", lambda: changed(lambda m: constant(m, "x_scale", np.array([0.1, 0.2], np.float32))), "2 scales|do not fit|per"),
    ("no scale", lambda: changed(lambda m: constant(m, "x_scale", np.array(0, np.float32))), "positive finite number"),
    ("NaN scale", lambda: changed(lambda m: constant(m, "x_scale", np.array(np.nan, np.float32))), "positive finite number"),
    ("other scale", lambda: changed(lambda m: m.graph.node[1].input.__setitem__(1, "y_scale")), "reading integers as"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_bad_quantization(make: Any, message: str | None) -> None:
    if message is None:  # a ReLU shares its input's type
        assert to_graph(make(), "t").quantized
        return
    with pytest.raises(ModelError, match=message) as caught:
        to_graph(make(), "t")
    assert "\n" not in str(caught.value)
