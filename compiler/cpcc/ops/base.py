"""What every op provides. One file per op; `cpcc.ops.OPS` lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cpcc.costs import Cost
from cpcc.graph import Graph, Integer, Node

DSP = frozenset({"dsp"})  # Arm's DSP extension: Cortex-M4, M7, M33, M55
SCALAR = frozenset({"scalar"})  # no SIMD instructions: Cortex-M0+, M3. On other cores these kernels never win
ARMV6M = SCALAR | {"armv6m"}  # Cortex-M0+
ARMV7M = SCALAR | {"armv7m"}  # Cortex-M3
MVE = frozenset({"mve"})  # Helium, Armv8.1-M's vector extension: Cortex-M55
STREAM_FILES = ("include/cpcc_dsp.h", "include/cpcc_rounding.h")
ROUND_ROW_FILES = ("kernels/cpcc_round_row.h", "kernels/cpcc_round_row.c")
MVE_FILES = (*STREAM_FILES, "include/cpcc_mve.h")


def no_check(node: Node, graph: Graph) -> None:
    """For ops whose parameters and shapes say everything."""


@dataclass(frozen=True, eq=False)
class Code:
    """Straight-line code of one layer: `steps`, macros of the kernel's header, between the macros `begin` and
    `begin` + ``_END``. `nbytes` of machine code."""

    begin: str
    steps: tuple[str, ...]
    nbytes: int


Value = int | np.ndarray | Code


@dataclass(frozen=True, eq=False)
class Packed:
    """A node ready for C. `struct` maps field names of the kernel's C struct, in order, to an int, to an
    ndarray (emitted as a ``static const`` array whose C type follows from its dtype) or to code (emitted as a function). `entry` is the suffix of the C
    function, where the kernel has several: ``_tflite`` for TensorFlow Lite's rounding."""

    struct: Mapping[str, Value]
    scratch_bytes: int = 0
    entry: str = ""

    @property
    def constant_bytes(self) -> int:
        """Flash of weights, indices, biases, multipliers, and of code that stands for them; without the struct itself."""
        return sum(value.nbytes for value in self.struct.values() if not isinstance(value, int))


@dataclass(frozen=True)
class Overlap:
    """Where a layer may write over its first input, when nothing else reads that later.

    `output`: the output may begin this many bytes before the input, or more, and run into it; None: not at all.
    `scratch`: the same of the scratch memory. `in_place`: the output, no larger, may begin where the input does.
    Functions that derive them: `cpcc.ops.overlap`."""

    output: int | None = None
    scratch: int | None = None
    in_place: bool = False


Shares = Callable[[Node, Graph], tuple[int, ...]]


def apart(node: Node, graph: Graph) -> Overlap:
    """For kernels that read their input while they write."""
    return Overlap()


@dataclass(frozen=True, eq=False)
class Kernel:
    """One C implementation of an op.

    `name` is the C function (prefixed ``cpcc_``), the struct type (suffixed ``_t``) and the file in
    ``firmware/kernels``. `requires` are core features. `applies(node, graph)` says whether it can run this
    node, `pack(node, graph)` lays the constants out, `cost(node, graph, core)` estimates its call.
    `shared` are further files of ``firmware`` that it needs, ``cpcc_fixed.h`` aside. `overlap(node, graph)` says what
    it may write over; it holds for the loops of the C file, so the two change together.
    """

    name: str
    pack: Callable[[Node, Graph], Packed]
    cost: Cost
    requires: frozenset[str] = frozenset()
    applies: Callable[[Node, Graph], bool] = lambda node, graph: True
    sparse: bool = False
    program: bool = False  # a layer is code of its own: some of what its weights say is instructions, not constants
    streaming: bool = False  # the C file has a function for one step of a sequence too, suffixed ``_step``
    wide: bool = False  # reads or writes int16 tensors
    prescribed: bool = False  # for models that are quantized already alone: not for what cpcc quantizes
    bytewise: bool = False  # moves the bytes of tensors of any type, which it takes as int8_t
    tied: bool = False  # for layers with the same weights, each with constants of its own: slower than the kernel it stands in for
    variadic: bool = False  # the C function takes its inputs as one array of pointers
    shared: tuple[str, ...] = ()
    overlap: Callable[[Node, Graph], Overlap] = apart


@dataclass(frozen=True, eq=False)
class Op:
    """Semantics of one op, in float and in integers.

    * `infer_shape(params, *input_shapes)`: output shape, for float and int8 parameters alike.
    * `run_float(params, *inputs)`: batched float64 arrays ``(n, *shape)`` in and out.
    * `run_int8(params, *inputs)`: batched int8 arrays in and out; the reference every C kernel equals.
    * `quantize(params, input_types, output_type)`: int8 parameters from float ones.
    * `output_type(params, input_types)`: forced output type, or None where calibration decides.
    * `macs(params, out_shape)`: (dense, nonzero) multiply-accumulates of int8 parameters.
    * `reach(params)`: largest magnitude that an accumulator takes, whatever the input; None where none sums weights.
    * `shares(node, graph)`: where the op only names memory, bytes from the beginning of the output's memory to that of each
      input; None where it computes into memory of its own.
    * `wide`: the form with int16 activations, an op of its own with parameters of its own, where it has one that
      differs; an op that moves values needs only kernels for both.
    * `sample(rng)`: random (float params, input shapes) that reach the corners; drives the generic tests.
    """

    name: str
    float_params: type
    int8_params: type
    infer_shape: Callable[..., tuple[int, ...]]
    run_float: Callable[..., np.ndarray]
    run_int8: Callable[..., np.ndarray]
    quantize: Callable[[Any, tuple[Any, ...], Any], Any]
    sample: Callable[[np.random.Generator], tuple[Any, tuple[tuple[int, ...], ...]]]
    kernels: tuple[Kernel, ...]
    output_type: Callable[[Any, tuple[Any, ...]], Integer | None] = lambda params, types: None
    macs: Callable[[Any, tuple[int, ...]], tuple[int, int]] = lambda params, out_shape: (0, 0)
    reach: Callable[[Any], int | None] = lambda params: None
    check: Callable[[Node, Graph], None] = no_check
    in_place: bool = False  # output may share the input's memory
    shares: Shares | None = None
    wide: Op | None = None
    weights: tuple[str, ...] = field(default=())  # names of the weight fields, for sparsity reports

    @property
    def int16(self) -> Op | None:
        """The op that computes this one with int16 activations; None where there is none."""
        if self.wide is not None:
            return self.wide
        return (
            self if not self.kernels or any((k.wide or k.bytewise) and not k.prescribed for k in self.kernels) else None
        )
