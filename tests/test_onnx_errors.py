"""Bad ONNX files: one clear line, never a traceback, a hang, another file's content or a flood of memory."""

from __future__ import annotations

import re
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cpcc.build_settings import BuildSettings
from cpcc.data import Dataset
from cpcc.emit import emit_library
from cpcc.errors import CpccError, ModelError
from cpcc.frontends.onnx import to_graph
from cpcc.frontends.onnx.model import HANDLERS
from cpcc.frontends.onnx.rewrites import REWRITES
from cpcc.frontends.onnx.wire import parsed_bytes
from cpcc.graph import Int8
from cpcc.models.onnx_model import compile_onnx
from cpcc.plan.plan import make_plan
from cpcc.targets import TARGETS
from onnx_files import node, onnx_file
from onnx_qdq import quantized_file
from test_onnx_cli import SHAPE, network, samples

SECONDS_PER_FILE = 20
GIBIBYTE = 2**30
X = {"x": (1, 4)}
IMAGE = {"x": (1, 2, 5, 5)}
W = np.ones((3, 4), np.float32)


def one(kind: str, inputs: dict | None = None, constants: dict | None = None, **attributes: object) -> bytes:
    return onnx_file([node(kind, ["x", *(constants or {})], **attributes)], inputs or X, constants)


def changed(change: Callable[[onnx.ModelProto], object], data: bytes | None = None) -> bytes:
    model = onnx.load_model_from_string(data or one("Relu"))
    change(model)
    return model.SerializeToString()


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer.add(name="secret", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")


def contrib(kind: str) -> bytes:
    """An unnamed operator of ONNX Runtime's domain."""
    model = onnx.load_from_string(onnx_file([node("Relu", ["x"], ["relu_y"])], X))
    model.graph.node[0].op_type, model.graph.node[0].domain, model.graph.node[0].name = kind, "com.microsoft", ""
    return model.SerializeToString()


def control_flow() -> bytes:
    branch = helper.make_graph(
        [node("Constant", [], ["t"], value_float=1.0)], "b", [], [helper.make_tensor_value_info("t", 1, [])]
    )
    flag = np.array(True)
    nodes = [node("If", ["flag"], ["s"], then_branch=branch, else_branch=branch), node("Mul", ["x", "s"])]
    return onnx_file(nodes, X, {"flag": flag})


def double() -> bytes:
    return onnx_file([node("Relu", ["x"])], X, dtype=TensorProto.DOUBLE)


CASES: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "not an ONNX model"),
    ("text", lambda: b"hello, this is no model", "not an ONNX model, or damaged"),
    ("cut short", lambda: network()[:300], "not an ONNX model, or damaged"),
    ("no nodes", lambda: changed(lambda m: m.graph.ClearField("node")), "without nodes"),
    ("external data", lambda: changed(external), "tensor secret lies in another file, which is never opened; save one file"),
    ("external in an attribute", lambda: changed(external_constant), "lies in another file"),
    ("functions", lambda: changed(lambda m: m.functions.add(name="f", domain="d")), "model-local functions; inline them"),
    ("custom", lambda: changed(lambda m: setattr(m.graph.node[0], "domain", "com.example")), "custom operators are not supported"),
    ("contrib", lambda: contrib("QLinearMul"), r"node relu_y \(com.microsoft.QLinearMul\): custom operators are not supported; instead: the QDQ"),
    ("contrib scales", lambda: contrib("DequantizeLinear"), "instead: quantize_static with QuantType.QInt8 or QUInt8 and without"),
    ("contrib fused", lambda: contrib("FusedConv"), "instead: the file before ONNX Runtime optimized it; supported: the domain"),
    ("opset", lambda: changed(lambda m: setattr(m.opset_import[0], "version", 7)), "opset 7; supported: 9 to"),
    ("unknown", lambda: changed(lambda m: setattr(m.graph.node[0], "op_type", "Nope")), "not a valid ONNX model"),
    ("unsupported", lambda: one("Hardmax"), r"hardmax_y \(Hardmax\): Hardmax is not supported; supported: Abs, Add"),
    ("rewrite", lambda: one("ReduceSum"), "ReduceSum is not supported; instead: ReduceMean; supported:"),
    ("control flow", control_flow, r"if_s \(If\): If is not supported|on constants"),
    ("float64", double, "input x is float64; supported: float32"),
    ("float16", lambda: onnx_file([node("Relu", ["x"])], X, dtype=TensorProto.FLOAT16), "input x is float16"),
    ("complex", lambda: onnx_file([node("Identity", ["x"])], X, dtype=TensorProto.COMPLEX64), "input x is complex64"),
    ("dynamic", lambda: one("Relu", {"x": ("n", 3, "length")}), "input x has a dynamic shape; supported: a fixed one"),
    ("batch", lambda: one("Relu", {"x": (2, 4)}), r"shape \(2, 4\); supported: \(1, features\)"),
    ("empty", lambda: one("Relu", {"x": (1, 0)}), r"shape \(1, 0\)"),
    ("NaN weights", lambda: one("Gemm", None, {"w": np.full((4, 3), np.nan, np.float32)}), "NaN or infinity"),
    ("infinite weights", lambda: one("Gemm", None, {"w": np.full((4, 3), np.inf, np.float32)}), "NaN or infinity"),
    ("computed weights", lambda: onnx_file([node("MatMul", ["x", "z"])], {"x": (1, 4), "z": (4, 4)}), "shape"),
    ("two computed", lambda: onnx_file([node("MatMul", ["x", "x"])], {"x": (1, 1, 1)}), "two computed tensors"),
    ("shapes differ", lambda: one("Gemm", None, {"w": W}), "shapes or types do not fit"),
    ("zero-size slice", lambda: one("Slice", None, {"s": np.array([2]), "e": np.array([2]), "a": np.array([1])}), "zero-size slice"),
    ("dilated pool", lambda: one("MaxPool", IMAGE, kernel_shape=[2, 2], dilations=[2, 2]), "dilations .*supported"),
    ("pool indices", lambda: onnx_file([node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])], IMAGE), "the output Indices"),
    ("padding", lambda: one("Pad", IMAGE, {"p": np.array([0, 0, 1, 1] * 2), "v": np.float32(1)}), "padding with 1.0"),
    ("reflection", lambda: one("Pad", IMAGE, {"p": np.array([0, 0, 1, 1] * 2)}, mode="reflect"), "mode reflect"),
    ("bilinear", lambda: onnx_file([node("Resize", ["x", "", "s"], mode="linear")], IMAGE, {"s": np.array([1, 1, 2, 2], np.float32)}),
     "mode linear is not supported; supported: nearest"),
    ("huge constant", lambda: onnx_file([node("ConstantOfShape", ["n"], ["c"]), node("Add", ["x", "c"])], X,
                                        {"n": np.array([2**20, 2**20])}), "a constant of 1,099,511,627,776 elements|do not fit"),
    ("huge tensor", lambda: one("Expand", {"x": (1, 1)}, {"n": np.array([2**13, 2**13])}), "16,777,216 elements"),
    ("a cell state", lambda: onnx_file([node("LSTM", ["x", "w", "r"], ["", "", "y"], hidden_size=2)], {"x": (4, 1, 3)},
                                       {"w": np.ones((1, 8, 3), np.float32), "r": np.ones((1, 8, 2), np.float32)}), r"\(4, 1, 3\)"),
    ("no dependence", lambda: onnx_file([node("Constant", [], ["y"], value_floats=[1.0])], X), "does not depend on the input"),
]  # fmt: skip


def external_constant(model: onnx.ModelProto) -> None:
    tensor = TensorProto(name="t", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    model.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))


@pytest.mark.parametrize(("make", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_one_clear_line(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        to_graph(make(), "model")
    assert "\n" not in str(caught.value)


def test_names_of_the_file_cannot_break_a_message_or_the_code() -> None:
    """Newlines, control characters and comment ends in names stay out of both."""
    evil = "*/ int main(void) {\n\x1b[31m"

    def rename(model: onnx.ModelProto) -> None:
        model.graph.node[0].name = model.graph.input[0].name = model.graph.node[0].input[0] = evil

    graph = to_graph(changed(rename), "model").graph
    assert all(re.fullmatch(r"[\w.]+", name) for name in (*graph.tensors, *(n.name for n in graph.nodes)))


def test_rewrites_name_operators_that_are_not_supported() -> None:
    assert not set(REWRITES) & set(HANDLERS)
    for kind in REWRITES:
        assert onnx.defs.has(kind), kind


def test_a_dead_branch_is_dropped() -> None:
    """A node that no output depends on need not be supported."""
    data = onnx_file([node("Hardmax", ["x"], ["dead"]), node("Relu", ["x"])], X)
    assert [n.name for n in to_graph(data, "model").graph.nodes] == ["relu_y"]


@pytest.mark.parametrize("piece", [b"\x0a\x00", b"\x0a\x02\x0a\x00"], ids=["nodes", "nodes with empty inputs"])
def test_a_flood_of_objects_is_refused_before_it_is_parsed(piece: bytes) -> None:
    """Sixteen megabytes of two-byte messages would be gigabytes of objects."""
    body = piece * (2**24 // len(piece))
    size = len(body)
    varint = bytes((size >> s & 0x7F) | (0x80 if size >> s + 7 else 0) for s in range(0, 28, 7) if size >> s)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ModelError, match="once parsed; supported: smaller models"):
        to_graph(b"\x08\x08\x3a" + varint + body, "model")
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 2**27
    assert time.process_time() - started < SECONDS_PER_FILE


def test_the_estimate_covers_what_parsing_takes() -> None:
    data = network()
    estimate = parsed_bytes(data, onnx.ModelProto.DESCRIPTOR, 2**30)
    assert estimate > onnx.load_model_from_string(data).ByteSize() == len(data)
    packed = onnx.ModelProto()
    packed.graph.initializer.append(numpy_helper.from_array(np.zeros(2, np.int64)))
    packed.graph.initializer[0].ClearField("raw_data")
    packed.graph.initializer[0].int64_data.extend([0] * 1000)
    assert parsed_bytes(packed.SerializeToString(), packed.DESCRIPTOR, 2**30) >= 8000


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` with a few bytes changed, overwritten, cut out, moved or doubled."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at, kind = int(rng.integers(len(out))), int(rng.integers(6))
        if kind == 0:
            out[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            out[at] = int(rng.integers(256))
        elif kind == 2:
            out[at : at + 2] = bytes(rng.choice([[0xFF, 0x7F], [0xFF, 0xFF], [0, 0], [0x80, 0x01]]).tolist())
        elif kind == 3:
            del out[at : at + int(rng.integers(1, 32))]
        elif kind == 4:
            out[at:at] = out[at : at + int(rng.integers(1, 32))]
        else:
            del out[at:]
        if len(out) < 12:
            break
    return bytes(out)


def survive(data: bytes, folder: Path) -> bool:
    """Whether the file compiles; anything but success or a clear error fails the test."""
    path = folder / "mutant.onnx"
    path.write_bytes(data)
    target = TARGETS["stm32"]
    signal.alarm(SECONDS_PER_FILE)
    try:
        network, _ = compile_onnx(path, BuildSettings(target, "mutant"), Dataset(samples(4), None, None), None)
        if sum(t.size for t in network.graph.tensors.values()) < target.ram_bytes * 10:
            emit_library(make_plan(network.graph, target), network, "mutant")
    except CpccError as error:
        assert "\n" not in str(error)
        return False
    finally:
        signal.alarm(0)
    return True


def structural_mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """A model that parses: an attribute, a dimension, a type, an edge or an operator of it changed."""
    model = onnx.load_model_from_string(data)
    graph = model.graph
    chosen = graph.node[int(rng.integers(len(graph.node)))]
    kind, number = int(rng.integers(6)), int(rng.choice([-(2**63), -1, 0, 1, 2, 7, 2**31, 2**62]))
    if kind == 0 and chosen.attribute:
        attribute = chosen.attribute[int(rng.integers(len(chosen.attribute)))]
        attribute.i = number
        attribute.ints[:] = [number] * int(rng.integers(0, 5))
    elif kind == 1:
        tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
        tensor.dims[:] = [*tensor.dims[:-1], abs(number + 1)]
    elif kind == 2:
        graph.initializer[int(rng.integers(len(graph.initializer)))].data_type = int(rng.integers(0, 24))
    elif kind == 3:
        edges = [name for n in graph.node for name in (*n.input, *n.output)]
        chosen.input[int(rng.integers(len(chosen.input)))] = str(rng.choice(edges))
    elif kind == 4:
        chosen.op_type = str(rng.choice(sorted(HANDLERS)))
    else:
        graph.input[0].type.tensor_type.shape.dim[int(rng.integers(4))].dim_value = number
    return model.SerializeToString()


def quantized_network() -> bytes:
    """The same network in the QDQ format."""
    names = ("x", "relu", "pool", "mean", "flat", "logits", "y")
    return quantized_file(network(), dict.fromkeys(names, Int8(0.03125, 1)))


def fuzz(count: int, seed: int, folder: Path) -> None:
    bases = [network(), quantized_network()]
    rng = np.random.default_rng(seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    compiled = 0
    for i in range(count):
        mutate = mutant if i % 2 else structural_mutant
        compiled += survive(mutate(bases[i // 2 % 2], rng), folder)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        f"{count} mutants in {time.monotonic() - started:.0f} s: {compiled} compile, memory grew by {grown / 2**20:.0f} MiB"
    )
    assert 0 < compiled < count
    assert grown < GIBIBYTE


def test_mutants_fail_clearly(tmp_path: Path) -> None:
    fuzz(200, 1, tmp_path)


@pytest.mark.fuzz
def test_many_mutants_fail_clearly(tmp_path: Path) -> None:
    fuzz(2_000, 2, tmp_path)


def test_samples_fit_the_networks() -> None:
    assert samples(4).shape[1:] == SHAPE
