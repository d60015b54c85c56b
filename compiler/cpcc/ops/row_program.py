"""Layers that are programs of one output row each (formats/conv_program.py): what convolutions, full and depthwise, share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.formats.conv_program import REACH, Program, Row, budget_of, least_bytes, program
from cpcc.formats.rounding import rounding_of
from cpcc.ops.base import STREAM_FILES, Code, Packed, Value
from cpcc.ops.conv2d.geometry import strip_size, strip_work
from cpcc.ops.requantized import Output

FILES = (
    *STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_strip.h", "kernels/cpcc_strip.c", "kernels/cpcc_conv_program.h",
    "kernels/cpcc_conv_program.c",
)  # fmt: skip
STEPS = ("C_CHANNEL", "C_X", "C_SET", "C_MAC", "C_AFFINE", "C_STORE", "C_ROUND", "C_RELU", "C_TFLITE", "C_NEXT")


@dataclass(frozen=True, eq=False)
class RowLayer:
    """A layer of `kernel_h` rows as its program sees it: `window` are the fields of ``cpcc_window_t``; of int8 `matrix` (channels,
    taps) each weight meets the input byte `places` (channels, taps) behind a window's first one."""

    window: dict[str, int]
    kernel_h: int
    matrix: np.ndarray
    places: np.ndarray
    output: Output

    @property
    def row(self) -> Row:
        step = self.window["window.stride_w"] * self.window["window.channels"]
        return Row(self.window["window.out_w"], step, len(self.matrix))

    @property
    def program(self) -> Program:
        return program(self.matrix, self.places, self.output, self.row)

    @property
    def limit(self) -> int:
        """Bytes of flash that the program may take: little more than dense weights."""
        return len(self.matrix) * budget_of(self.matrix.shape[1])


def pack(layer: RowLayer) -> Packed:
    made, output = layer.program, layer.output
    text = tuple(f"{name}({', '.join(map(str, args))})" if args else name for name, args in made.steps)
    fields: dict[str, Value] = {
        **layer.window, "kernel_h": layer.kernel_h, "out_channels": len(layer.matrix),
        "program": Code("CPCC_CONV_PROGRAM", text, made.nbytes), "stream": made.stream, "low": output.low, "high": output.high,
    }  # fmt: skip
    return Packed(fields, strip_size(layer.window, layer.kernel_h))


def applies(layer: RowLayer) -> bool:
    """Where a load reaches a window's last byte, and the code takes no more flash than it may."""
    row = layer.row
    if max(int(layer.places.max()), row.out_step, row.in_step) > REACH:
        return False
    if rounding_of(layer.output, layer.matrix) is None or least_bytes(layer.matrix, layer.output) > layer.limit:
        return False
    made = layer.program
    return bool(made.nbytes + made.stream.nbytes <= layer.limit)


def features(layer: RowLayer) -> tuple[float, ...]:
    """All but `clamped_outputs`."""
    made, height = layer.program, layer.window["window.out_h"]
    steps = [height * made.executed(name) for name in STEPS]
    return 1.0, height, *steps, *strip_work(layer.window, layer.kernel_h)
