"""The planner's figure for the flash of code: what the linker keeps, and nothing else."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from cpcc.code_size import FOLDERS, KernelCode, kernel_code
from cpcc.executors.elf import read_image
from cpcc.ops import LAYOUT, OPS, WIDE, conv2d, linear
from cpcc.ops.base import Kernel
from cpcc.ops.float_params import Conv2d, Linear
from cpcc.plan.select import kernel_pieces
from cpcc.targets import TARGETS
from cpcc.toolchains import build_object, zig_cross
from support import chain, compiled, detector_of


@pytest.mark.parametrize("name", ["conv2d_sparse8", "conv2d_paired", "conv2d_dense", "conv2d_unrolled"])
def test_pieces_are_what_is_linked(name: str) -> None:
    """Of a file with a function for each rounding, only the one that the layer uses; all of the firmware's functions in the
    image, byte for byte."""

    def only(kernel: Kernel) -> bool:
        return kernel.name == name or kernel not in conv2d.OP.kernels

    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (6, 3, 3, 8)) * (rng.random((6, 3, 3, 8)) < 0.1)
    conv = Conv2d(weight.astype(np.float32), np.zeros(6, np.float32), (1, 1), (1, 1, 1, 1))
    small = Linear(rng.normal(0, 1, (2, 9 * 10 * 6)).astype(np.float32), np.zeros(2, np.float32))
    c = compiled(detector_of(chain((9, 10, 8), [(conv2d.OP, conv), (linear.OP, small)]), rng), policy=only)
    code = kernel_code(c.plan.target.core, c.plan.objective.level)
    pieces = frozenset(p for step in c.plan.steps for p in kernel_pieces(code, step.kernel, step.packed))
    symbols = {name: s.size for name, s in read_image(c.arm_image("zig")).symbols.items() if name.startswith("cpcc_")}
    defined = {symbol for piece in code.of(pieces) for symbol in piece.defines}
    assert defined <= set(symbols)
    others = {symbol for symbol, size in symbols.items() if size and symbol not in defined}
    assert others <= {"cpcc_arena", "cpcc_vectors"}  # the application's
    assert sum(symbols[symbol] for symbol in defined) <= code.size(pieces)
    assert ("cpcc_sparse8_once" in defined, "cpcc_sparse8_tflite" in defined) == (name == "conv2d_sparse8", False)


def test_on_the_host_code_counts_nothing() -> None:
    code = kernel_code(TARGETS["host"].core, "-O2")
    assert code == KernelCode(None, "-O2")
    assert code.size(code.pieces(frozenset({"kernels/cpcc_pad.c"}), "cpcc_pad_rows")) == 0


def test_an_entry_that_is_compiled_into_the_model_keeps_all_of_its_files() -> None:
    code = kernel_code(TARGETS["stm32"].core, "-Os")
    files = frozenset({"kernels/cpcc_pad.c", "kernels/cpcc_strip.c"})
    both = code.pieces(files, "cpcc_conv2d_unrolled")
    assert code.pieces(files, "cpcc_strip") < both
    assert code.size(both) == code.size(code.pieces(files, "cpcc_pad_rows")) + code.size(
        code.pieces(files, "cpcc_strip_move")
    ) + code.size(code.pieces(files, "cpcc_strip"))


@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m0plus", "cortex-m55"])
def test_all_kernels_go_into_one_model(name: str) -> None:
    """It includes the headers of all that it uses: no two define the same name."""
    core, firmware = TARGETS[name].core, files("cpcc.firmware")
    entries = (entry for folder in FOLDERS for entry in (firmware / folder).iterdir())
    headers = {entry.name: entry.read_text() for entry in entries if entry.name.endswith(".h")}
    kernels = {k.name for op in (*OPS, *WIDE, *LAYOUT) for k in op.kernels if k.requires <= core.features}
    model = "".join(f'#include "cpcc_{kernel}.h"\n' for kernel in sorted(kernels))
    model += "".join(f"void use_{i}(const cpcc_{kernel}_t *layer);\n" for i, kernel in enumerate(sorted(kernels)))
    build_object(zig_cross(core, "-O2"), {**headers, "model.c": model}, "model.c")
