"""Networks of the zoo as torch.onnx writes them: the int8 graph is the one that the torch front end makes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from cpcc.detector import to_channels_last
from cpcc.frontends.onnx import to_graph
from cpcc.frontends.torch_export import to_graph as torch_graph
from cpcc.graph import Float32, Graph, Int8, validate
from cpcc.models.exporting import export_module
from cpcc.quantize import calibrate, quantize_graph, run_int8, run_nodes
from onnx_files import exported, run_oracle
from test_zoo import with_statistics
from zoo import ZOO

# torch.onnx cannot export cnn3's adaptive pooling, whose windows overlap
EXPORTED = sorted(set(ZOO) - {"cnn3"})


def quantized(graph: Graph, x: np.ndarray) -> Graph:
    return quantize_graph(validate(graph, Float32), calibrate(graph, x))


@pytest.mark.parametrize("name", EXPORTED)
def test_zoo_through_onnx(name: str) -> None:
    torch.manual_seed(1)
    entry = ZOO[name]
    net = with_statistics(entry.build(entry.small, entry.outputs), entry.small)
    data = exported(net, entry.small)
    raw = np.random.default_rng(0).normal(0, 1, (8, *entry.small)).astype(np.float32)
    x = np.ascontiguousarray(to_channels_last(raw.astype(np.float64)))
    graph = to_graph(data, "t", logits=0).graph
    ours, theirs = quantized(graph, x), quantized(torch_graph(export_module(net, entry.small), "t"), x)
    kind = theirs.input.type
    assert isinstance(kind, Int8) and ours.input.type == kind
    # epsilon is float32 in the file and float64 in torch: scales agree to 1e-7, integers exactly
    assert isinstance(ours.output.type, Int8) and isinstance(theirs.output.type, Int8)
    assert ours.output.type.zero_point == theirs.output.type.zero_point
    assert ours.output.type.scale == pytest.approx(theirs.output.type.scale, rel=1e-7)
    q = kind.quantize(x)
    np.testing.assert_array_equal(run_int8(ours, q), run_int8(theirs, q))
    actual = run_nodes(to_graph(data, "t").graph, Float32, x)
    with torch.no_grad():
        expected = net(torch.tensor(raw)).reshape(len(raw), -1).numpy()
    np.testing.assert_allclose(list(actual.values())[-1], expected, atol=1e-4 * np.abs(expected).max())


def check_float(graph: Graph, data: bytes, raw: np.ndarray) -> None:
    """The float graph follows ONNX Runtime on samples (n, ...)."""
    x = to_channels_last(raw.astype(np.float64))
    actual = run_nodes(graph, Float32, x)[graph.output.name]
    for sample, result in zip(raw, actual):
        expected = run_oracle(data, {input_name(data): sample[None]})[0].ravel()
        np.testing.assert_allclose(result, expected, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


def input_name(data: bytes) -> str:
    import onnx

    return str(onnx.load_model_from_string(data).graph.input[0].name)


def test_batch_norm_that_the_exporter_folded() -> None:
    torch.manual_seed(1)
    entry = ZOO["mobilenet_v2"]
    net = with_statistics(entry.build(entry.small, entry.outputs), entry.small)
    raw = np.random.default_rng(0).normal(0, 1, (2, *entry.small)).astype(np.float32)
    data = exported(net, entry.small, folded=True)
    check_float(to_graph(data, "t").graph, data, raw)
