"""Graphs that branch: tensors read twice, in-place ops and reshapes that share memory."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cpcc.graph import Float32, Graph, Node, Tensor, validate
from cpcc.ops.float_params import Add, Relu, Reshape
from cpcc.plan.memory import plan_arena
from cpcc.plan.places import places
from support import NAME, assert_equal, compiled, detector_of, extreme_inputs

SHAPES = ((2, 3, 2), (3, 2, 2), (12,))


def random_branches(rng: np.random.Generator, nodes: int) -> Graph:
    """A graph of reliable small ops, each reading any earlier tensor, all of them joined at the end."""
    tensors = {"x": Tensor("x", SHAPES[0], Float32())}
    made: list[Node] = []

    def add(params: object, *inputs: str) -> str:
        name = f"t{len(made)}"
        shape = params.shape if isinstance(params, Reshape) else tensors[inputs[0]].shape
        tensors[name] = Tensor(name, shape, Float32())
        made.append(Node(f"n{len(made)}", params, inputs, name))
        return name

    for _ in range(nodes):
        source = str(rng.choice(list(tensors)))
        alike = [name for name, t in tensors.items() if t.shape == tensors[source].shape]
        choice = rng.integers(3)
        if choice == 0:
            add(Relu(), source)
        elif choice == 1:
            add(Reshape(SHAPES[rng.integers(3)]), source)
        else:
            add(Add(bool(rng.integers(2))), source, str(rng.choice(alike)))
    read = {name for node in made for name in node.inputs}
    loose = [add(Reshape((12,)), name) for name in list(tensors) if name not in read]
    total = loose[0]
    for name in loose[1:]:
        total = add(Add(), total, name)
    return validate(Graph(NAME, tensors, tuple(made), ("x",), (total,)), Float32)


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_branches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_branches(rng, int(rng.integers(1, 9)))
    c = compiled(detector_of(graph, rng))
    x = extreme_inputs(rng, graph.input.shape)
    assert_equal(c.reference().run(x, quantized=True, nodes=True), c.host().run(x, quantized=True, nodes=True))


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_overwrites_what_is_still_read(seed: int) -> None:
    """Simulated without C: every node's inputs must lie in memory as they were computed."""
    rng = np.random.default_rng(seed)
    graph = detector_of(random_branches(rng, 8), rng).graph
    arena = plan_arena(graph, {})
    memory: dict[int, str] = {}  # byte -> the tensor whose value lies there, reshapes counted as their source

    def value(name: str) -> str:
        sources = {n.output: n.inputs[0] for n in graph.nodes if isinstance(n.params, Reshape)}
        while name in sources:
            name = sources[name]
        return name

    def write(name: str) -> None:
        memory.update({arena.offsets[name] + i: value(name) for i in range(graph.tensors[name].size)})

    write("x")
    for node in graph.nodes:
        for name in node.inputs:
            held = {memory[arena.offsets[name] + i] for i in range(graph.tensors[name].size)}
            assert held == {value(name)}, f"{node.name} reads {name}, memory holds {held}"
        write(node.output)
    assert places(graph, {})


def test_a_reshape_keeps_its_source_alive() -> None:
    """Found by reading: relu in place over x, while a reshape of x was still to be read."""
    tensors = {
        n: Tensor(n, s, Float32())
        for n, s in (("x", (4, 1, 1)), ("r", (4,)), ("a", (4, 1, 1)), ("b", (4,)), ("y", (4,)))
    }
    nodes = (
        Node("reshape", Reshape((4,)), ("x",), "r"),
        Node("relu", Relu(), ("x",), "a"),
        Node("back", Reshape((4,)), ("a",), "b"),
        Node("add", Add(), ("b", "r"), "y"),
    )
    rng = np.random.default_rng(0)
    graph = detector_of(validate(Graph(NAME, tensors, nodes, ("x",), ("y",)), Float32), rng).graph
    assert places(graph, {})["a"].buffer == "a"
