"""The five MLPerf Tiny models equal TensorFlow Lite Micro at every tensor, on all executors."""

from __future__ import annotations

import numpy as np
import pytest

from cpcc.detector import Network
from cpcc.executors.base import traced_tensors
from cpcc.frontends.tflite import to_graph
from cpcc.graph import Graph, Int8
from cpcc.models.quantized_model import input_specs
from cpcc.passes.dead_channels import drop_dead_channels, kept_channels
from cpcc.passes.single_pixel import linear_where_single_pixel
from cpcc.quantize import run_int8, run_nodes
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


def built(graph: Graph) -> Graph:
    """What `cpcc build` compiles of `graph`."""
    return linear_where_single_pixel(drop_dead_channels(graph))


def oracle_tensors(golden: GoldenModel) -> dict[str, int]:
    """Number in the file of every tensor that an operator computes, by the name of its node in the graph."""
    numbers = {}
    for key in golden.vectors:
        if key.startswith("layer"):
            code, number = key.split("_", 1)[1].rsplit("_tensor", 1)
            numbers[f"{code.lower()}_{int(key[5:7])}"] = int(number)
    return numbers


def random_samples(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """int8 (100, *shape): half of them uniform, half around a value of their own."""
    x = rng.integers(-128, 128, (100, *shape)).astype(np.int8)
    x[:50] = np.clip(rng.normal(rng.integers(-128, 128), 30, x[:50].shape), -128, 127).astype(np.int8)
    return x


@pytest.mark.fuzz
@pytest.mark.parametrize("name", MLPERF_TINY)
def test_random_inputs(name: str) -> None:
    """The golden inputs and a thousand random ones, every tensor that an operator computes: TensorFlow Lite Micro itself, the
    reference, host C and ARM have the same integers. So have the channels left in the graph that `cpcc build` makes of it."""
    golden = golden_model(name)
    graph = to_graph(golden.path.read_bytes(), "t").graph
    numbers, oracle = oracle_tensors(golden), Oracle(golden.path.read_bytes())
    nodes = {node.output for node in graph.nodes}
    assert nodes <= set(numbers) and all(left.startswith("reshape_") for left in set(numbers) - nodes)
    executors = [(compiled(network), kept_channels(graph) if i else {})
                 for i, network in enumerate(Network(g, input_specs(g, ["int8"])) for g in (graph, built(graph)))]  # fmt: skip
    rng = np.random.default_rng(1)
    batches = (random_samples(rng, graph.input.shape) for _ in range(RANDOM_INPUTS // 100))
    for x in (golden.vectors["inputs"].reshape(-1, *graph.input.shape), *batches):
        expected: dict[str, list[np.ndarray]] = {name: [] for name in nodes}
        for sample in x:
            oracle.run(sample[None])
            for tensor in nodes:
                expected[tensor].append(oracle.tensor(numbers[tensor]).reshape(graph.tensors[tensor].shape))
        for c, kept in executors:
            trace = c.reference().run(x, quantized=True, nodes=True)
            for tensor in nodes & set(trace.nodes):
                values = np.stack(expected[tensor])
                own = values[..., kept[tensor]] if tensor in kept else values
                np.testing.assert_array_equal(trace.nodes[tensor].reshape(own.shape), own, err_msg=tensor)
            np.testing.assert_array_equal(trace.output.ravel(), np.stack(expected[graph.output.name]).ravel())
            assert_equal(trace, c.host().run(x, quantized=True, nodes=True))
            assert_equal(trace, c.arm().run(x, quantized=True, nodes=True))
