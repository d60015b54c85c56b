"""The five MLPerf Tiny models equal TensorFlow Lite Micro at every tensor, on all executors."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.dead_channels import drop_dead_channels
from cpcc.detector import Network
from cpcc.executors.base import traced_tensors
from cpcc.frontends.tflite import to_graph
from cpcc.graph import Int8
from cpcc.quantize import run_int8, run_nodes
from cpcc.quantized_model import input_specs
from golden import MLPERF_TINY, GoldenModel, Oracle, golden_model
from support import Compiled, assert_equal, check_stack, compiled

RANDOM_INPUTS = 1000


def compiled_model(golden: GoldenModel) -> Compiled:
    graph = to_graph(golden.path.read_bytes(), "t").graph
    return compiled(Network(graph, input_specs(graph, ["int8"])))


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_golden_vectors(name: str) -> None:
    """Every intermediate tensor of one input and the outputs of forty, on the reference; then host and ARM, which must
    equal it at every node."""
    golden = golden_model(name)
    c = compiled_model(golden)
    graph = c.detector.graph
    one = golden.vectors["input"].reshape(1, *graph.input.shape)
    values = run_nodes(graph, Int8, one)
    layers = golden.layers()
    assert set(layers) >= {node.output for node in graph.nodes}
    for node, expected in layers.items():
        if node in values:  # a RESHAPE that changes nothing has no node
            np.testing.assert_array_equal(values[node].reshape(expected.shape), expected, err_msg=node)
    forty = golden.vectors["inputs"].reshape(-1, *graph.input.shape)
    outputs = run_int8(graph, forty).reshape(len(forty), -1)
    np.testing.assert_array_equal(outputs, golden.vectors["outputs_tflm_ref"])
    alive = drop_dead_channels(graph)  # what `cpcc build` compiles
    np.testing.assert_array_equal(run_int8(alive, forty).reshape(len(forty), -1), golden.vectors["outputs_tflm_ref"])
    reference = c.reference().run(one, quantized=True, nodes=True)
    assert list(reference.nodes) == traced_tensors(c.plan)
    assert_equal(reference, c.host().run(one, quantized=True, nodes=True))
    assert_equal(reference, c.arm().run(one, quantized=True, nodes=True))
    check_stack(c, one)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", MLPERF_TINY)
def test_random_inputs(name: str) -> None:
    """A thousand random inputs, every intermediate tensor: the reference against TensorFlow Lite Micro itself, host and ARM
    against the reference."""
    golden = golden_model(name)
    data = golden.path.read_bytes()
    c = compiled_model(golden)
    graph = c.detector.graph
    oracle = Oracle(data)
    tensors = {f"{k.split('_', 1)[1].rsplit('_tensor', 1)[0].lower()}_{int(k[5:7])}": int(k.rsplit("tensor", 1)[1])
               for k in golden.vectors if k.startswith("layer")}  # fmt: skip
    rng = np.random.default_rng(1)
    for _ in range(RANDOM_INPUTS // 100):
        x = rng.integers(-128, 128, (100, *graph.input.shape)).astype(np.int8)
        x[:50] = np.clip(rng.normal(rng.integers(-128, 128), 30, x[:50].shape), -128, 127).astype(np.int8)
        values = run_nodes(graph, Int8, x)
        for i, sample in enumerate(x):
            oracle.run(sample[None])
            for node in graph.nodes:
                expected = oracle.tensor(tensors[node.output])
                np.testing.assert_array_equal(values[node.output][i].ravel(), expected.ravel(), err_msg=node.name)
        reference = c.reference().run(x, quantized=True, nodes=True)
        assert_equal(reference, c.host().run(x, quantized=True, nodes=True))
        assert_equal(reference, c.arm().run(x, quantized=True, nodes=True))
