"""What the layers with weights share where their activations are int16: symmetric, so the zero point is 0 on both sides.

Weights stay int8. An accumulator is int32 where the bound from the constants fits, else int64; one rounding in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import INT32_MAX, Requant, accumulator_bound, narrow, requantize
from cpcc.graph import Int16, Node
from cpcc.ops.requantized import Output, clamp_limits, weight_scales

LARGEST = 32768  # magnitude of an int16 input
SCALED_LIMIT = 2**62  # of an accumulator times its multiplier: the result keeps below 2**30
FILES = ("include/cpcc_wide.h",)
DUAL_FILES = (*FILES, "include/cpcc_dsp.h", "kernels/cpcc_wide2x2.h")
PADDED_FILES = (*FILES, "kernels/cpcc_pad_wide.h", "kernels/cpcc_pad_wide.c")


@dataclass(frozen=True, eq=False)
class WideOutput(Output):
    """How an accumulator becomes an int16 output; `zero_point` is 0, `requant` of one rounding."""

    def apply(self, acc: np.ndarray) -> np.ndarray:
        """int16 outputs of int64 dot products ``(..., channels)``."""
        return requantize(acc + self.bias, self.requant, 0, self.low, self.high, np.int16)

    def fields(self) -> dict[str, int | np.ndarray]:
        """Fields of the C struct ``cpcc_wide_output_t``, in its order."""
        assert isinstance(self.requant, Requant)
        return {
            "output.bias": self.bias,
            "output.multiplier": self.requant.multiplier,
            "output.left_shift": self.requant.left_shift,
            "output.low": self.low,
            "output.high": self.high,
        }

    def entry_for(self, weights: np.ndarray) -> str:
        """Suffix of the C function: ``_long`` where int32 cannot hold every partial sum."""
        return "" if (self.reach(weights) <= INT32_MAX).all() else "_long"

    def reach(self, weights: np.ndarray) -> np.ndarray:
        """(channels,) largest magnitude of a shifted accumulator, whatever the int16 inputs."""
        return self.requant.reach(accumulator_bound(weights, self.bias, LARGEST))


def quantize_wide(
    weight: np.ndarray, bias: np.ndarray, x: Int16, y: Int16, relu: bool, ceiling: float = math.inf
) -> tuple[np.ndarray, WideOutput]:
    """int8 weights (out, k) and the output stage for float weights (out, k) and bias (out,).

    Source: TFLite quantization specification, 16-bit activations; the rounding is `Requant`, cpcc's own."""
    scales = weight_scales(weight, bias, x, y)
    w8 = narrow(np.rint(weight / scales[:, None]), np.int8)
    bias32 = narrow(np.rint(bias / (x.scale * scales)), np.int32)
    requant = Requant.from_scales(x.scale * scales / y.scale)
    return w8, WideOutput(bias32, requant, 0, *clamp_limits(y, relu, ceiling))


def check_wide(node: Node, weights: np.ndarray, output: WideOutput) -> None:
    """Proof from the constants that no accumulator times its multiplier leaves int64. Raises `ModelError`."""
    scaled = [int(bound) * int(m) for bound, m in zip(output.reach(weights), output.requant.multiplier)]
    worst = int(np.argmax([float(s) for s in scaled]))
    if scaled[worst] >= SCALED_LIMIT:
        raise ModelError(
            f"{node.name}: the scaled accumulator of output {worst} can reach {scaled[worst]}, the limit is {SCALED_LIMIT}; "
            "use calibration data that cover the output's range"
        )
