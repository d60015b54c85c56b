"""int16 activations: types, memory, input conversion and score, on every executor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cpcc.detector import Decision, Detector, InputSpec, Network, quantize_input
from cpcc.executors.base import bytes_per_sample
from cpcc.graph import Float32, Graph, Int8, Int16, Node, Tensor, validate
from cpcc.ops.float_params import Reshape
from cpcc.serialize import dump_detector, load_detector
from cpcc.targets import TARGETS
from support import NAME, assert_equal, compiled


def copies(kind: Int8 | Int16) -> Graph:
    """An integer graph without code: its output is its input's memory."""
    tensors = {"x": Tensor("x", (1, 3, 2), kind), "y": Tensor("y", (6,), kind)}
    return validate(Graph(NAME, tensors, (Node("r", Reshape((6,)), ("x",), "y"),), ("x",), ("y",)), Int8)


def test_the_type() -> None:
    kind = Int16(0.5)
    real = np.array([0.25, 0.75, -0.6, 1e9, -1e9])
    np.testing.assert_array_equal(kind.quantize(real), np.array([0, 2, -1, 32767, -32768], np.int16))
    np.testing.assert_array_equal(kind.dequantize(np.array([3, -3], np.int16)), [1.5, -1.5])
    assert Tensor("x", (2, 3), kind).bytes == 12 and Tensor("x", (2, 3), Int8(0.5, 3)).bytes == 6
    with pytest.raises(ValueError, match="not a positive finite number"):
        Int16(0.0)
    with pytest.raises(AssertionError, match="not quantized"):
        _ = Tensor("x", (2,), Float32()).bytes


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("target", ["stm32", "cortex-m0plus"])
def test_int16_input_and_score_are_the_same_everywhere(dtype: str, target: str) -> None:
    """NAME_quantize, NAME_score and the harness with tensors of two bytes per element."""
    rng = np.random.default_rng(0)
    graph = copies(Int16(0.01))
    spec = InputSpec(dtype, (2, 1, 3), rng.normal(0, 1, 2).astype(np.float32), np.array([300, 0.02], np.float32))
    detector = Detector(graph, spec, Decision(2, 1, 0, 0.0, 1.0, 1))
    raw = rng.normal(0, 120, (40, 2, 1, 3))
    raw = raw.astype(np.float32) if dtype == "float32" else (300 * raw).astype(np.int16)
    c = compiled(detector, TARGETS[target])
    assert c.plan.arena.size == 16 and bytes_per_sample(c.plan) == 12
    expected = c.reference().run(raw, nodes=True)
    assert expected.output.dtype == np.int16 and expected.output.min() == -32768 and expected.output.max() == 32767
    assert np.abs(expected.scores).max() > 40_000
    assert_equal(expected, c.host().run(raw, nodes=True))
    assert_equal(expected, c.arm().run(raw, nodes=True))


def test_samples_that_are_the_input() -> None:
    graph = copies(Int16(0.01))
    spec = InputSpec("int16", (1, 3, 2), np.zeros(1, np.float32), np.ones(1, np.float32), True)
    assert spec.copies(graph.input.integer) and not spec.copies(Int8(0.01, 0))
    raw = np.random.default_rng(1).integers(-32768, 32768, (9, 1, 3, 2)).astype(np.int16)
    np.testing.assert_array_equal(quantize_input(spec, graph.input.integer, raw), raw)
    c = compiled(Network(graph, spec))
    assert_equal(c.reference().run(raw, nodes=True), c.host().run(raw, nodes=True))


def test_an_int16_network_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "network.npz"
    graph = copies(Int16(0.01))
    path.write_bytes(dump_detector(Network(graph, InputSpec("int16", (6,), np.zeros(1), np.ones(1), True))))
    assert load_detector(path).graph.tensors == graph.tensors
