"""Bad .tflite files: one clear line, never a traceback, a hang or a flood of memory."""

from __future__ import annotations

import re
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tflite

from cpcc.build_settings import BuildSettings
from cpcc.detector import Network
from cpcc.emit import emit_library
from cpcc.errors import CpccError, ModelError
from cpcc.frontends.tflite import HANDLERS, to_graph
from cpcc.frontends.tflite.rewrites import REWRITES
from cpcc.models.quantized_model import input_specs
from cpcc.models.tflite_model import compile_tflite
from cpcc.plan.plan import make_plan
from cpcc.targets import TARGETS
from golden import Oracle
from support import assert_equal, compiled, extreme_inputs
from tflite_files import FileOperator, FileTensor, activation, constant, tflite_file
from tflite_samples import branchy_network, ported_network, varied_network

SECONDS_PER_FILE = 20
GIBIBYTE = 2**30


def unary(code: str, x: FileTensor, y: FileTensor, kind: str = "", custom: str = "") -> bytes:
    return tflite_file([x, y], [FileOperator(code, (0,), (1,), kind, custom=custom)], (0,), (1,))


def pooled(x: FileTensor, y: FileTensor) -> bytes:
    return unary("MAX_POOL_2D", x, y, "Pool2DOptions")


FLOAT = FileTensor((1, 4), type="FLOAT32")
LEGACY = FileTensor((1, 4), (0.1,), (128,), "UINT8")
PLAIN = activation((4,), 0.1, 0)
IMAGE = activation((4, 4, 1), 0.1, 0)

CASES: list[tuple[str, Callable[[], bytes], str]] = [
    ("nothing", lambda: b"", "not a .tflite model"),
    ("text", lambda: b"hello, this is no model", "not a .tflite model"),
    ("cut short", lambda: branchy_network()[:200], "damaged"),
    ("float", lambda: unary("RELU", FLOAT, FLOAT), "FLOAT32; supported: INT8; convert with full integer quantization"),
    ("legacy uint8", lambda: unary("RELU", LEGACY, LEGACY), "UINT8, the legacy quantization; supported: INT8"),
    ("custom", lambda: unary("CUSTOM", PLAIN, PLAIN, custom="MyOp\n"), r"operator 0 \(CUSTOM MyOp\?\): this operator is not"),
    ("unsupported", lambda: unary("ATAN2", PLAIN, PLAIN), r"operator 0 \(ATAN2\): this operator is not supported; supported: ADD,"),
    ("rewrite", lambda: unary("SUM", PLAIN, PLAIN), r"operator 0 \(SUM\): this operator is not supported; instead: MEAN; supported: ADD,"),
    ("dynamic", lambda: unary("SOFTMAX", FileTensor((1, 4), (0.1,), (0,), signature=(1, -1)), PLAIN), "dynamic shape"),
    ("batch", lambda: unary("SOFTMAX", FileTensor((2, 4), (0.1,), (0,)), PLAIN), "a batch of 1 first"),
    ("empty", lambda: unary("SOFTMAX", FileTensor((1, 0), (0.1,), (0,)), PLAIN), "empty shape"),
    ("huge", lambda: unary("SOFTMAX", FileTensor((1, 2**15, 2**15), (0.1,), (0,)), PLAIN), "16,777,216 elements"),
    ("no scale", lambda: unary("SOFTMAX", FileTensor((1, 4)), PLAIN), "no scale of its own"),
    ("negative scale", lambda: unary("SOFTMAX", activation((4,), -0.1, 0), PLAIN), "not a positive finite number"),
    ("wrong options", lambda: unary("SOFTMAX", PLAIN, PLAIN, "AddOptions"), "expected SoftmaxOptions"),
    ("softmax scale", lambda: tflite_file([PLAIN, PLAIN], [FileOperator("SOFTMAX", (0,), (1,), "SoftmaxOptions", {"Beta": 1.0})],
                                          (0,), (1,)), "softmax needs"),
    ("nothing to join", lambda: tflite_file([PLAIN, PLAIN], [FileOperator("CONCATENATION", (), (1,), "ConcatenationOptions", {"Axis": 1})],
                                            (0,), (1,)), r"\(CONCATENATION\): input 0 is missing"),
    ("nothing to stack", lambda: tflite_file([PLAIN, PLAIN], [FileOperator("PACK", (), (1,), "PackOptions", {"Axis": 1})], (0,), (1,)),
     r"\(PACK\): input 0 is missing"),
    ("operands that do not fit", lambda: tflite_file([PLAIN, activation((3,), 0.1, 0), PLAIN], [FileOperator("ADD", (0, 1), (2,), "AddOptions", {})],
                                                     (0, 1), (2,)), r"shapes \(4,\) and \(3,\) for \(4,\); supported: shapes that"),
    ("stride 0", lambda: pooled(IMAGE, IMAGE), "stride"),
    ("no output", lambda: tflite_file([PLAIN, PLAIN], [FileOperator("SOFTMAX", (0,), (1,), "SoftmaxOptions", {})], (0,), ()),
     "1 inputs, 0 outputs; supported: 1 and more of each"),
    ("constant operand", lambda: tflite_file([PLAIN, constant(np.zeros((1, 3), np.int8), (0.1,)), PLAIN],
                                             [FileOperator("ADD", (0, 1), (2,), "AddOptions", {})], (0,), (2,)), "supported: one that broadcasts"),
    ("shapes differ", lambda: tflite_file([PLAIN, activation((5,), 0.1, 0)],
                                          [FileOperator("SOFTMAX", (0,), (1,), "SoftmaxOptions", {"Beta": 1.0})], (0,), (1,)), "computed"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_one_clear_line(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        to_graph(make(), "model")
    assert "\n" not in str(caught.value)


def test_rewrites_name_operators_of_the_schema_that_are_not_supported() -> None:
    known = {name for name in vars(tflite.BuiltinOperator) if name.isupper()}
    assert set(REWRITES) <= known
    assert not set(REWRITES) & set(HANDLERS)
    mentioned = {word for text in REWRITES.values() for word in re.findall("[A-Z][A-Z0-9]*_[A-Z0-9_]+", text)}
    assert mentioned - {"SELECT_TF_OPS"} <= set(HANDLERS)


def test_a_dead_branch_is_dropped() -> None:
    """An operator that the output does not depend on need not be supported."""
    pool = {"Padding": 0, "StrideH": 1, "StrideW": 1, "FilterHeight": 2, "FilterWidth": 2}
    operators = [
        FileOperator("MAX_POOL_2D", (0,), (1,), "Pool2DOptions", pool),
        FileOperator("ATAN2", (0,), (2,)),
    ]
    graph = to_graph(tflite_file([IMAGE, IMAGE, IMAGE], operators, (0,), (1,)), "model").graph
    assert [node.name for node in graph.nodes] == ["max_pool_2d_0"]


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` with a few bytes changed, a word overwritten, or a piece cut out, moved or doubled."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at, kind = int(rng.integers(len(out))), int(rng.integers(6))
        if kind == 0:
            out[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            out[at] = int(rng.integers(256))
        elif kind == 2:
            word = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**31, 2**16, len(out)]))
            out[at // 4 * 4 : at // 4 * 4 + 4] = word.to_bytes(4, "little")
        elif kind == 3:
            del out[at : at + int(rng.integers(1, 64))]
        elif kind == 4:
            out[at:at] = out[at : at + int(rng.integers(1, 64))]
        else:
            del out[at:]
        if len(out) < 12:
            break
    return bytes(out)


def survive(data: bytes, folder: Path) -> bool:
    """Whether the file compiles; anything but success or a clear error fails the test."""
    path = folder / "mutant.tflite"
    path.write_bytes(data)
    target = TARGETS["stm32"]
    signal.alarm(SECONDS_PER_FILE)
    try:
        network, _ = compile_tflite(path, BuildSettings(target, "mutant"), None)
        if sum(t.size for t in network.graph.tensors.values()) < target.ram_bytes * 10:
            emit_library(make_plan(network.graph, target), network, "mutant")
    except CpccError as error:
        assert "\n" not in str(error)
        return False
    finally:
        signal.alarm(0)
    return True


def fuzz(count: int, seed: int, folder: Path) -> None:
    bases = [branchy_network(), varied_network(), ported_network()]
    rng = np.random.default_rng(seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    compiled = sum(survive(mutant(bases[i % len(bases)], rng), folder) for i in range(count))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        f"{count} mutants in {time.monotonic() - started:.0f} s: {compiled} compile, memory grew by {grown / 2**20:.0f} MiB"
    )
    assert 0 < compiled < count
    assert grown < GIBIBYTE


def test_mutants_fail_clearly(tmp_path: Path) -> None:
    fuzz(300, 1, tmp_path)


@pytest.mark.fuzz
def test_many_mutants_fail_clearly(tmp_path: Path) -> None:
    fuzz(20_000, 2, tmp_path)


@pytest.mark.parametrize("data", [branchy_network(), varied_network()], ids=["branchy", "varied"])
def test_the_sample_networks_equal_the_oracle(data: bytes) -> None:
    """On the reference, on the sanitized host and on the emulated core, at every node."""
    graph = to_graph(data, "t").graph
    x = extreme_inputs(np.random.default_rng(0), graph.input.shape, 8)
    oracle = Oracle(data)
    expected = np.concatenate([oracle.run(sample[None]) for sample in x])
    c = compiled(Network(graph, input_specs(graph, ["int8"])))
    trace = c.reference().run(x, quantized=True, nodes=True)
    np.testing.assert_array_equal(trace.output, expected)
    assert_equal(trace, c.host().run(x, quantized=True, nodes=True))
    assert_equal(trace, c.arm().run(x, quantized=True, nodes=True))
