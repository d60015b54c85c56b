"""docs/operators.md, written from the code: ``python -m cpcc.operators > docs/operators.md``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cpcc.archive.supported import REWRITES
from cpcc.frontends.onnx.model import FAMILIES as ONNX
from cpcc.frontends.onnx.rewrites import REWRITES as ONNX_REWRITES
from cpcc.frontends.onnx.vectors import others as other_vectors
from cpcc.frontends.onnx.vectors import rows as vector_rows
from cpcc.frontends.tflite import HANDLERS as TFLITE
from cpcc.frontends.torch_export.program import FAMILIES
from cpcc.ops import LAYOUT, OPS
from cpcc.ops.base import Kernel, Op

HEAD = """# Operators

Written by `python -m cpcc.operators > docs/operators.md`; a test compares.
"""


def markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table."""
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _first_line(op: Op) -> str:
    """Of the docstring of the file or package in `cpcc.ops` that defines `op`."""
    module = ".".join(op.run_int8.__module__.split(".")[:3])
    text = sys.modules[module].__doc__ or ""
    return text.strip().splitlines()[0].replace("|", "\\|")


def _kernels(op: Op) -> str:
    kernels = dict.fromkeys((*op.kernels, *(op.int16.kernels if op.int16 else ())))
    names = dict.fromkeys(_named(kernel) for kernel in kernels)
    return ", ".join(names) or "no code: the output is the input's memory"


def _named(kernel: Kernel) -> str:
    needs = [*sorted(kernel.requires), *(["int16"] if kernel.wide else [])]
    return kernel.name + (f" ({', '.join(needs)})" if needs else "")


def document() -> str:
    """The whole page."""
    layers = [(", ".join(f.names), f.becomes, f.limits or "-") for f in FAMILIES if f.names]
    rewrites = [(f"`{name}`", rewrite) for name, rewrite in sorted(REWRITES.items())]
    onnx = [(", ".join(sorted(group.handlers)), group.becomes, group.limits or "-") for group in ONNX]
    ops = [(f"`{op.name}`", _first_line(op), _kernels(op)) for op in (*OPS, *LAYOUT)]
    return "\n\n".join([
        HEAD.strip(),
        "## torch.export",
        "Module and functional forms alike; in-place forms too. Inputs `(1, features)`, `(1, c, length)` or `(1, c, h, w)` in "
        "float32, any number of them and of outputs. A branch that nothing reads is dropped.",
        markdown(("layer", "becomes", "limits"), layers),
        "Refused by name with its line in the user's file: everything else. Known ways around:",
        markdown(("not supported", "use"), rewrites),
        "What a network writes out of functions of one value (activations, arithmetic with a number, products and sums of such with one "
        "another: GELU by its definition, `x * sigmoid(x)`) becomes one table too, here and in .onnx.",
        "## .tflite",
        "int8 per channel, as TensorFlow Lite Micro computes it: " + ", ".join(f"`{name}`" for name in sorted(TFLITE)) + ". With int16 "
        "activations: " + ", ".join(f"`{name}`" for name, handler in sorted(TFLITE.items()) if handler.int16) + ".",
        "## .onnx",
        "Opset 9 and newer, float32 or QDQ; a dynamic batch is 1 ([onnx.md](onnx.md)). Operators on constants and on shapes are computed at "
        "compile time; a node that no output depends on is dropped.",
        markdown(("operators", "become", "limits"), onnx),
        markdown(("not supported", "use"), [(f"`{name}`", text) for name, text in sorted(ONNX_REWRITES.items())]),
        "### ONNX's node test vectors",
        "`onnx.backend.test.case.node`, the vectors of single nodes of the operators above: operands that cpcc wants constant are made "
        "constants, the float graph is compared within the tolerance that a vector carries. Out of scope as well: "
        f"{other_vectors():,} vectors of other operators, or of several nodes.",
        markdown(("operator", "passed", "failed", "out of scope"), vector_rows()),
        "## Ops inside, and their kernels",
        "What stands behind a kernel in parentheses is a feature of the core that it needs; `int16` kernels compute with int16 "
        "activations (docs/numerics.md). Ops without one are fed int8.",
        markdown(("op", "what it computes", "kernels in C"), ops),
    ]) + "\n"  # fmt: skip


if __name__ == "__main__":
    print(document(), end="")
