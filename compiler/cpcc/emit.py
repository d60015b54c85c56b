"""Plan to C sources, through the Jinja templates. The only module that imports jinja2.

Ops decided every number; here they become arrays, structs and calls. Deterministic: no date, host or path.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np

from cpcc import __version__
from cpcc.detector import InputSpec, Network, decisions_of, input_bound
from cpcc.graph import Int16, Integer, Tensor
from cpcc.names import c_prefix, unique_identifiers
from cpcc.ops.base import Code
from cpcc.plan.plan import Plan, Step
from cpcc.plan.select import uses_padding
from cpcc.proof.guarantee import joint_delta
from cpcc.self_test import SelfTest

C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t",
           "int32": "int32_t", "uint32": "uint32_t", "float32": "float"}  # fmt: skip
NUMBERS_PER_LINE = 24
STEPS_PER_LINE = 8


def environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("cpcc.templates", ""), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    env.filters["c_float"] = c_float
    return env


def c_float(value: float) -> str:
    """A float32 constant with all its bits (hexadecimal, C99)."""
    return f"{float(np.float32(value)).hex()}f"


@dataclass(frozen=True)
class Array:
    """One ``static const`` array: `lines` hold its values."""

    name: str
    c_type: str
    size: int
    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Port:
    """An input or output of the network as the templates see it. `suffix` and `SUFFIX` tell several apart in names of
    functions and of macros; of the only one they are empty. `spec` says how raw samples enter an input."""

    tensor: Tensor
    offset: int
    suffix: str
    SUFFIX: str
    spec: InputSpec | None = None
    streamed: bool = False  # read by a layer that has a step function

    @property
    def kind(self) -> Integer:
        return self.tensor.integer

    @property
    def copies(self) -> bool:
        """Whether raw samples are the tensor itself."""
        return self.spec is not None and self.spec.copies(self.kind)

    @property
    def bound(self) -> int:
        return input_bound(self.kind)

    @property
    def raw_type(self) -> str:
        """C type of a raw value."""
        return "" if self.spec is None else C_TYPES[self.spec.dtype]


@dataclass(frozen=True)
class Program:
    """A layer's own code: `lines` of macros between `begin` and its ``_END``."""

    name: str
    begin: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """What the template prints for one step."""

    function: str
    struct: str
    shared: bool  # an earlier layer's struct
    kernel: str
    entry: str
    arrays: tuple[Array, ...]
    programs: tuple[Program, ...]
    fields: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    variadic: bool
    streaming: bool
    steps: int
    units: int
    output: str
    scratch: int
    comment: str


def _array(name: str, values: np.ndarray) -> Array:
    flat = values.ravel().tolist()
    chunks = [flat[i : i + NUMBERS_PER_LINE] for i in range(0, len(flat), NUMBERS_PER_LINE)]
    suffix = "u" if values.dtype == np.uint32 else ""
    lines = tuple(", ".join(f"{_literal(v)}{suffix}" for v in chunk) for chunk in chunks)
    return Array(name, C_TYPES[values.dtype.name], len(flat), lines)


def _lines(steps: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(steps[i : i + STEPS_PER_LINE]) for i in range(0, len(steps), STEPS_PER_LINE))


def _literal(value: int) -> str:
    """-2**31 has no literal of its own in C."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def _comment(step: Step, plan: Plan) -> str:
    shapes = [t.shape for t in plan.graph.input_tensors(step.node)]
    text = f"{step.node.name}: {step.kernel.name}, {' + '.join(map(_dims, shapes))} -> " + _dims(
        plan.graph.output_tensor(step.node).shape
    )
    if step.macs_dense:
        kept = 100 * step.macs_nonzero / step.macs_dense
        text += f", {step.macs_nonzero:,} of {step.macs_dense:,} MACs ({kept:.1f} % kept)"
    return text.replace("*/", "* /")


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def c_type(tensor: Tensor) -> str:
    """C type of a tensor's elements."""
    return C_TYPES[np.dtype(tensor.integer.dtype).name]


def pointer(tensor: Tensor, at: str, constant: bool = False) -> str:
    """C expression for the tensor's memory; `at` is the one for its bytes."""
    if not isinstance(tensor.type, Int16):
        return at
    const = "const " if constant else ""
    return f"({const}{c_type(tensor)} *)({const}void *)({at})"


@dataclass(frozen=True)
class _Stored:
    """What earlier layers have stored, by content: arrays, programs and structs with the name of each."""

    arrays: dict[tuple[str, bytes], str] = field(default_factory=dict)
    programs: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    structs: dict[Hashable, str] = field(default_factory=dict)


def _streaming(step: Step) -> bool:
    """Whether the library has a function for one step of it: a state of the model's own has no place there."""
    return step.kernel.streaming and isinstance(step.packed.struct.get("initial"), int)


def _layer(step: Step, plan: Plan, prefix: str, ident: str, stored: _Stored) -> Layer:
    arrays, fields, programs = [], [], []
    for key, value in step.packed.struct.items():
        if isinstance(value, np.ndarray):
            own = f"{ident}_{key.replace('.', '_')}"
            name = stored.arrays.setdefault((value.dtype.name, value.tobytes()), own)
            if name == own:
                arrays.append(_array(name, value))
            fields.append((key, name))
        elif isinstance(value, Code):
            own = f"{ident}_{key}"
            name = stored.programs.setdefault((value.begin, value.steps), own)
            if name == own:
                programs.append(Program(name, value.begin, _lines(value.steps)))
            fields.append((key, name))
        else:
            fields.append((key, str(value)))
    offsets, own_struct = plan.arena.offsets, f"{ident}_params"
    struct = stored.structs.setdefault((step.kernel.name, tuple(fields)), own_struct)

    def place(name: str, constant: bool) -> str:
        at = f"arena + {offsets[name]}"
        return at if step.kernel.bytewise else pointer(plan.graph.tensors[name], at, constant)

    shape = plan.graph.output_tensor(step.node).shape
    return Layer(
        function=f"{prefix}_layer_{ident}", struct=struct, shared=struct != own_struct, kernel=step.kernel.name,
        entry=step.kernel.name + step.packed.entry, arrays=tuple(arrays), programs=tuple(programs), fields=tuple(fields),
        inputs=tuple(place(name, True) for name in step.node.inputs), variadic=step.kernel.variadic,
        streaming=_streaming(step), steps=shape[-2] if len(shape) > 1 else 1, units=shape[-1], output=place(step.node.output, False),
        scratch=offsets.get(f"scratch:{step.node.name}", 0), comment=_comment(step, plan),
    )  # fmt: skip


def layers(plan: Plan, prefix: str) -> tuple[Layer, ...]:
    """The plan's steps as the templates see them. Equal arrays, code and structs (weights that layers share, bands of a layer) are stored once."""
    idents = unique_identifiers([f"{i}_{step.node.name}" for i, step in enumerate(plan.steps)])
    stored = _Stored()
    return tuple(_layer(step, plan, prefix, f"l{ident}", stored) for step, ident in zip(plan.steps, idents))


def layer_functions(plan: Plan, name: str) -> list[str]:
    """C symbol of each step, in order."""
    return [layer.function for layer in layers(plan, c_prefix(name))]


def ports(plan: Plan, names: Sequence[str], specs: Sequence[InputSpec | None]) -> tuple[Port, ...]:
    """The inputs or outputs called `names`."""
    single = len(names) == 1
    lower, upper = unique_identifiers(list(names)), unique_identifiers([name.upper() for name in names])
    return tuple(
        Port(plan.graph.tensors[name], plan.arena.offsets[name], *(("", "") if single else (f"_{low}", f"_{up}")), spec)
        for name, low, up, spec in zip(names, lower, upper, specs, strict=True)
    )


def quantize_functions(plan: Plan, name: str) -> list[str]:
    """C symbol of each input's conversion, in order."""
    inputs = ports(plan, plan.graph.inputs, [None] * len(plan.graph.inputs))
    return [f"{c_prefix(name)}_quantize{port.suffix}" for port in inputs]


def context(plan: Plan, detector: Network, name: str, self_test: SelfTest | None = None) -> dict[str, Any]:
    """Variables of the library's templates."""
    prefix = c_prefix(name)
    graph = plan.graph
    decisions = decisions_of(detector)
    outputs = ports(plan, graph.outputs, [None] * len(graph.outputs))
    streamed = {step.node.inputs[0] for step in plan.steps if _streaming(step)}
    inputs = ports(plan, graph.inputs, detector.inputs)
    return {
        "name": name, "prefix": prefix, "PREFIX": prefix.upper(), "version": __version__, "abi": 1,
        "layers": layers(plan, prefix), "arena": plan.arena, "graph": graph, "decisions": decisions,
        "decision": decisions[0] if len(decisions) == 1 else None, "joint_delta": joint_delta(decisions),
        "inputs": tuple(replace(port, streamed=port.tensor.name in streamed) for port in inputs), "outputs": outputs,
        "logits": outputs[decisions[0].output] if decisions else None,
        "c_type": c_type, "pointer": pointer,
        "kernels": sorted({step.kernel.name for step in plan.steps}),
        "macs_dense": sum(step.macs_dense for step in plan.steps),
        "macs_nonzero": sum(step.macs_nonzero for step in plan.steps),
        "target": plan.target, "level": plan.objective.level, "self_test": self_test,
    }  # fmt: skip


def emit_library(plan: Plan, detector: Network, name: str, self_test: SelfTest | None = None) -> dict[str, str]:
    """The model library: file name to text, ready for ``lib/<name>/``. Only the kernels in use are shipped."""
    env, variables = environment(), context(plan, detector, name, self_test)
    prefix = variables["prefix"]
    sources = {
        f"{prefix}.h": env.get_template("model.h.j2").render(variables),
        f"{prefix}.c": env.get_template("model.c.j2").render(variables),
    }
    firmware = files("cpcc.firmware")
    shared = ["include/cpcc_fixed.h"]
    if any(uses_padding(step.kernel, dict(step.packed.struct)) for step in plan.steps):
        shared += ["include/cpcc_pad.h", "include/cpcc_dsp.h", "kernels/cpcc_pad.c"]
    if self_test:
        shared += ["self_test/cpcc_self_test.h", "self_test/cpcc_self_test.c"]
    kernels = [f"kernels/cpcc_{kernel}.{suffix}" for kernel in variables["kernels"] for suffix in "hc"]
    extra = sorted({file for step in plan.steps for file in step.kernel.shared})
    for file in (*shared, *extra, *kernels):
        sources[file.rpartition("/")[2]] = (firmware / file).read_text()
    return sources


def render(template: str, variables: dict[str, Any]) -> str:
    """`template` with `variables`; a missing one is an error."""
    return environment().get_template(template).render(variables)


def emit_harness(plan: Plan, detector: Network, name: str, wire: str) -> dict[str, str]:
    """The host side of verification: the step table and the harness program over `wire` (stdio or semihosting)."""
    variables = context(plan, detector, name)
    outputs = [plan.graph.output_tensor(step.node) for step in plan.steps]
    places = [(plan.arena.offsets[tensor.name], tensor.bytes) for tensor in outputs]
    harness = files("cpcc.firmware") / "harness"
    own = ("cpcc_harness.h", "cpcc_harness.c", f"cpcc_wire_{wire}.c")
    model = render("cpcc_harness_model.c.j2", {**variables, "places": places})
    return {"cpcc_harness_model.c": model, **{file: (harness / file).read_text() for file in own}}
