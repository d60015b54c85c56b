"""Two small fully connected networks beside generators of C from PyPI: the same network, compiler, flags and emulated core.

scikit-learn trains 30-32-16-1 (breast cancer) and 64-64-10 (digits). emlearn writes them in float; m2cgen has no neural networks, so
each layer is exported as its linear classifier (double, as it writes everything) with ReLU between; cpcc quantizes to int8. All by
arm-none-eabi-gcc -O2 with newlib, which emlearn needs; a network's class must be scikit-learn's."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path

import emlearn
import m2cgen
import numpy as np
from cost_layers import detector_of
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

from cpcc import artifacts
from cpcc.emit import emit_library
from cpcc.executors.arm import ArmExecutor
from cpcc.executors.unicorn_core import UnicornCore
from cpcc.graph import Float32, Graph, Node, Tensor
from cpcc.ops.float_params import Linear
from cpcc.plan.plan import make_plan
from cpcc.project import main_source
from cpcc.quantize import calibrate, quantize_graph
from cpcc.targets import TARGETS
from cpcc.toolchains import build_program, gcc_cross

TARGET = TARGETS["cortex-m4"]
NETS = {"30-32-16-1": (load_breast_cancer, (32, 16)), "64-64-10": (load_digits, (64,))}
LINK = ("-nostartfiles", "--specs=nosys.specs", "-Wl,--gc-sections,-e,Reset_Handler,-u,expf,-u,logf,-u,tanhf", "-lm")


@dataclass(frozen=True)
class MlpRow:
    """One network by one generator: instructions of an inference, and bytes of flash of all it links, start-up aside."""

    name: str
    generator: str
    numbers: str
    instructions: int
    flash: int


def trained(name: str) -> tuple[MLPClassifier, np.ndarray]:
    """The network and its scaled samples (n, features)."""
    load, hidden = NETS[name]
    x, y = load(return_X_y=True)
    x = scale(x).astype(np.float32)
    with np.errstate(under="ignore"):  # importing emlearn makes numpy raise
        return MLPClassifier(hidden, random_state=0, max_iter=60).fit(x, y), x


def rows() -> Iterator[MlpRow]:
    if shutil.which("arm-none-eabi-gcc") is None:
        print("SKIPPED: arm-none-eabi-gcc is not installed")
        return
    for name in NETS:
        net, x = trained(name)
        sample, expected = x[0], int(net.predict(x[:1])[0])
        for generator, numbers, source in (("emlearn", "float", _emlearn(net)), ("m2cgen", "double", _m2cgen(net))):
            yield _show(_peer(name, generator, numbers, source, sample, expected))
        yield _show(_own(name, net, x))


def _show(row: MlpRow) -> MlpRow:
    print(
        f"{row.name:12} {row.generator:8} {row.numbers:6} {row.instructions:9,} instructions, flash {row.flash:6,}",
        flush=True,
    )
    return row


def _emlearn(net: MLPClassifier) -> str:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # emlearn leaves files behind
        code = _quoted(emlearn.convert(net, dtype="float").save(name="net"))
    return f"{code}\nstatic int predicted(const float *x, int n) {{ return net_predict(x, n); }}\n"


def _m2cgen(net: MLPClassifier) -> str:
    """A function per layer, and a `main` that joins them."""
    parts, calls, width = [], [], net.coefs_[0].shape[0]
    for i, (weights, bias) in enumerate(zip(net.coefs_, net.intercepts_)):
        layer = RidgeClassifier()
        layer.coef_, layer.intercept_, layer.classes_ = weights.T, bias, np.arange(max(2, len(bias)))
        layer.n_features_in_ = len(weights)
        parts.append(m2cgen.export_to_c(layer, function_name=f"layer{i}"))
        call = f"layer{i}(a{i}, a{i + 1});" if len(bias) > 1 else f"a{i + 1}[0] = layer{i}(a{i});"
        relu = f" for (int k = 0; k < {len(bias)}; k++) {{ a{i + 1}[k] = a{i + 1}[k] < 0 ? 0 : a{i + 1}[k]; }}"
        calls.append(f"  double a{i + 1}[{len(bias)}]; {call}{'' if i == len(net.coefs_) - 1 else relu}")
    last, outputs = len(net.coefs_), len(net.intercepts_[-1])
    best = (f"  return a{last}[0] > 0;" if outputs == 1 else
            f"  int best = 0; for (int k = 1; k < {outputs}; k++) {{ best = a{last}[k] > a{last}[best] ? k : best; }} return best;")  # fmt: skip
    body = "\n".join(calls)
    return (
        "\n".join(parts)
        + f"\nstatic int predicted(const float *x, int n) {{\n  double a0[{width}];\n"
        + f"  for (int k = 0; k < n; k++) {{ a0[k] = x[k]; }}\n{body}\n{best}\n}}\n"
    )


def _quoted(text: str) -> str:
    """emlearn's own headers in quotes: that is how the compiler cache finds what a file includes."""
    return re.sub(r"#include <(eml_\w+\.h)>", r'#include "\1"', text)


def _headers() -> dict[str, str]:
    return {path.name: _quoted(path.read_text()) for path in Path(emlearn.includedir).glob("eml_*.h")}


def _peer(name: str, generator: str, numbers: str, source: str, sample: np.ndarray, expected: int) -> MlpRow:
    values = ", ".join(f"{float(v)!r}f" for v in sample)
    main = (f"{source}\nstatic const float sample[] = {{{values}}};\nint peer(void);\n"
            f"__attribute__((noinline)) int peer(void) {{ return predicted(sample, {len(sample)}); }}\n"
            "int main(void);\nint main(void) { return peer(); }\n")  # fmt: skip
    toolchain = gcc_cross(TARGET.core)
    toolchain = replace(toolchain, link_flags=(*TARGET.core.gcc_flags, *LINK))
    plan = make_plan(_int8(*trained(name)), TARGET)
    script = artifacts.linker_script(plan, ["main.o"])
    elf = build_program(toolchain, {**_headers(), **artifacts._startup(), "main.c": main}, ".elf", script)
    core = UnicornCore(elf, TARGET)
    core.call("peer")
    core.counter.reset()
    assert core.call("peer") == expected, f"{name}, {generator}: another class than scikit-learn's"
    return MlpRow(name, generator, numbers, core.counter.instructions(), core.image.flash_bytes - len(sample) * 4)


def _int8(net: MLPClassifier, x: np.ndarray) -> Graph:
    last = len(net.coefs_) - 1
    shapes = [net.coefs_[0].shape[:1], *(weights.shape[1:] for weights in net.coefs_)]
    tensors = {f"t{i}": Tensor(f"t{i}", shape, Float32()) for i, shape in enumerate(shapes)}
    nodes = tuple(
        Node(f"n{i}", Linear(w.T.astype(np.float32), b.astype(np.float32), i < last), (f"t{i}",), f"t{i + 1}")
        for i, (w, b) in enumerate(zip(net.coefs_, net.intercepts_))
    )
    graph = Graph("mlp", tensors, nodes, ("t0",), (f"t{last + 1}",))
    return quantize_graph(graph, calibrate(graph, x[:256].astype(np.float64)))


def _own(name: str, net: MLPClassifier, x: np.ndarray) -> MlpRow:
    graph = _int8(net, x)
    plan, detector = make_plan(graph, TARGET), detector_of(graph)
    library, main = emit_library(plan, detector, "bench"), main_source(plan, detector, "bench", [])
    elf = artifacts.arm_image(plan, library, main, "gcc")
    sample = graph.input.integer.quantize(x[:1])
    cost = ArmExecutor(plan, detector, "bench", elf).measure(sample)
    return MlpRow(name, "cpcc", "int8", cost.instructions, artifacts.image_sizes(elf).model_flash)
