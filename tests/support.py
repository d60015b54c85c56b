"""Random networks, compiled and run on every executor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cpcc import artifacts
from cpcc.detector import Decision, Detector, InputSpec, Network, decisions_of
from cpcc.emit import emit_library
from cpcc.errors import ModelError
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.base import Trace
from cpcc.executors.host import HostExecutor
from cpcc.executors.qemu import QemuExecutor
from cpcc.executors.reference import ReferenceExecutor
from cpcc.graph import Float32, Graph, Int8, Int16, Node, Tensor, validate
from cpcc.ops.base import Kernel, Op
from cpcc.ops.float_params import Linear, Reshape
from cpcc.plan.plan import Plan, make_plan
from cpcc.project import main_source, raw_examples
from cpcc.quant.widths import wide_tensors
from cpcc.quantize import calibrate, quantize_graph
from cpcc.records import joined
from cpcc.stack import library_stack
from cpcc.targets import TARGETS, Target

NAME = "t"


def chain(shape: tuple[int, ...], params: list[tuple[Op, object]]) -> Graph:
    """A float graph of one op after another, ending in a vector (a detector's logits)."""
    tensors = {"x": Tensor("x", shape, Float32())}
    nodes: list[Node] = []
    previous = "x"
    for i, (op, p) in enumerate(params):
        shape = op.infer_shape(p, shape)
        name = f"t{i}"
        tensors[name] = Tensor(name, shape, Float32())
        nodes.append(Node(f"{op.name}_{i}", p, (previous,), name))
        previous = name
    if len(shape) != 1:
        size = int(np.prod(shape))
        tensors["flat"] = Tensor("flat", (size,), Float32())
        nodes.append(Node("flat", Reshape((size,)), (previous,), "flat"))
        previous = "flat"
    return validate(Graph(NAME, tensors, tuple(nodes), ("x",), (previous,)), Float32)


def single(op: Op, rng: np.random.Generator) -> Graph:
    """A random instance of `op` as a graph; further operands are linear functions of the input."""
    params, shapes = op.sample(rng)
    if len(shapes) == 1:
        return chain(shapes[0], [(op, params)])
    tensors = {"x": Tensor("x", shapes[0], Float32())}
    nodes: list[Node] = []

    def add(params: object, inputs: tuple[str, ...], output: str, shape: tuple[int, ...]) -> None:
        tensors[output] = Tensor(output, shape, Float32())
        nodes.append(Node(f"n{len(nodes)}", params, inputs, output))

    names = ["x"]
    for i, shape in enumerate(shapes[1:]):
        size = int(np.prod(shape))
        weight = rng.normal(0, 1, (size, int(np.prod(shapes[0])))).astype(np.float32)
        add(Linear(weight, np.zeros(size, np.float32)), ("x",), f"flat{i}", (size,))
        add(Reshape(shape), (f"flat{i}",), f"operand{i}", shape)
        names.append(f"operand{i}")
    out = op.infer_shape(params, *shapes)
    add(params, tuple(names), "y", out)
    add(Reshape((int(np.prod(out)),)), ("y",), "logits", (int(np.prod(out)),))
    return validate(Graph(NAME, tensors, tuple(nodes), ("x",), ("logits",)), Float32)


def detector_of(graph: Graph, rng: np.random.Generator, dtype: str = "float32", wide: Iterable[str] = ()) -> Detector:
    """`graph` quantized on random samples, with a random input scaling and decision; the layers `wide` in int16."""
    spread = rng.choice([0.1, 1.0, 10.0])
    x = rng.normal(rng.choice([0.0, 1.5]) * spread, spread, (16, *graph.input.shape))  # zero points off the middle
    ranges = calibrate(graph, x)
    int8 = quantize_graph(graph, ranges, wide_tensors(graph, wide))
    shape = graph.input.shape
    model_shape = shape if len(shape) == 1 else (shape[2], shape[0], shape[1])
    mean = rng.normal(0, 1, model_shape[0]).astype(np.float32)
    factor = rng.uniform(0.5, 40, model_shape[0]).astype(np.float32)
    index = int(rng.integers(graph.output.size))
    decision = Decision(index if graph.output.size > 1 else 0, int(rng.choice([-1, 1])), 0, 0.0, 1.0, 1)
    return Detector(int8, (InputSpec(dtype, model_shape, mean, factor),), (decision,), ranges)


def drawn(
    network: Callable[[np.random.Generator], Graph], rng: np.random.Generator, wide_share: float = 0.0
) -> Detector:
    """A random network's detector, with about this share of its layers in int16. Random weights can make sums that
    the quantizer has to refuse (the samples never reach an output's range): such a network is drawn again."""
    for _ in range(50):
        graph = network(rng)
        wide = [node.name for node in graph.nodes if rng.random() < wide_share]
        try:
            return detector_of(graph, rng, wide=wide)
        except ModelError as error:
            assert "accumulator" in str(error)
    raise AssertionError("none of 50 networks can be quantized")


def detector_for(int8: Graph, model_shape: tuple[int, ...]) -> Detector:
    """`int8` as it is, behind an identity input conversion."""
    ones = np.ones(model_shape[0], np.float32)
    return Detector(int8, (InputSpec("float32", model_shape, 0 * ones, ones),), (Decision(0, 1, 0, 0.0, 1.0, 1),), {})


def extreme_inputs(
    rng: np.random.Generator, shape: tuple[int, ...], n: int = 6, kind: type[Int8] | type[Int16] = Int8
) -> np.ndarray:
    """Samples of `kind`: all lowest, all highest, all 0, and random ones."""
    x = rng.integers(kind.low, kind.high + 1, (n, *shape)).astype(kind.dtype)
    x[0], x[1], x[2] = kind.low, kind.high, 0
    return x


@dataclass(frozen=True)
class Compiled:
    """A network or detector planned for a target, and its generated library."""

    plan: Plan
    detector: Network
    library: dict[str, str]

    def reference(self) -> ReferenceExecutor:
        return ReferenceExecutor(self.plan, self.detector)

    def host(self) -> HostExecutor:
        return HostExecutor(
            self.plan,
            artifacts.host_program(self.plan, self.detector, NAME, self.library),
            scores=len(decisions_of(self.detector)),
        )

    def arm_image(self, compiler: str = "zig", image: Callable[..., Path] = artifacts.arm_image) -> Path:
        specs = dict(zip(self.detector.graph.inputs, self.detector.inputs))
        raw = joined({name: np.zeros((1, *spec.shape), spec.dtype) for name, spec in specs.items()})
        main = main_source(self.plan, self.detector, NAME, raw_examples(self.detector, raw))
        return image(self.plan, self.library, main, compiler)

    def arm(self, compiler: str = "zig") -> ArmExecutor | QemuExecutor:
        if not self.plan.target.core.unicorn_model:
            return QemuExecutor(
                self.plan,
                artifacts.qemu_image(self.plan, self.detector, NAME, self.library, compiler),
                scores=len(decisions_of(self.detector)),
            )
        return ArmExecutor(self.plan, self.detector, NAME, self.arm_image(compiler))


def target_for(kernel: Kernel) -> str:
    """A target whose core has what `kernel` requires: the first in this order."""
    names = ("stm32", "cortex-m3", "cortex-m0plus", "cortex-m55")
    return next(name for name in names if kernel.requires <= TARGETS[name].core.features)


def check_stack(c: Compiled, q: np.ndarray) -> None:
    """The stack of a run on the sample `q` stays below the bound read off the image, and that below 512 bytes."""
    bound = library_stack(c.arm_image(image=artifacts.stack_image), NAME)
    executor = c.arm()
    assert isinstance(executor, ArmExecutor)
    assert executor.measure(q).stack_bytes <= bound.bytes <= 512, bound


def compiled(detector: Network, target: Target = TARGETS["stm32"], policy: object = None) -> Compiled:
    plan = make_plan(detector.graph, target) if policy is None else make_plan(detector.graph, target, policy)  # type: ignore[arg-type]
    return Compiled(plan, detector, emit_library(plan, detector, NAME))


def check_everywhere(c: Compiled, x: np.ndarray, compiler: str = "zig") -> None:
    """Tolerance zero, at every node, between reference, host C and the core's binary by `compiler`."""
    expected = c.reference().run(x, quantized=True, nodes=True)
    if compiler == "zig":  # the host's compiler is one and the same
        assert_equal(expected, c.host().run(x, quantized=True, nodes=True))
    assert_equal(expected, c.arm(compiler).run(x, quantized=True, nodes=True))


def assert_equal(expected: Trace, actual: Trace) -> None:
    """Tolerance zero, at every node, in the uninterrupted run and in the score."""
    assert list(expected.nodes) == list(actual.nodes)
    for name in expected.nodes:
        np.testing.assert_array_equal(actual.nodes[name], expected.nodes[name], err_msg=f"node {name}")
    assert list(expected.outputs) == list(actual.outputs)
    for name in expected.outputs:
        np.testing.assert_array_equal(actual.outputs[name], expected.outputs[name], err_msg=f"output {name}")
    np.testing.assert_array_equal(actual.scores, expected.scores)


def with_rule(detector: Detector, **changes: object) -> Detector:
    """The only decision changed."""
    (decision,) = detector.decisions
    return replace(detector, decisions=(replace(decision, **changes),))


def input_type(detector: Detector) -> Int8:
    kind = detector.graph.input.type
    assert isinstance(kind, Int8)
    return kind
