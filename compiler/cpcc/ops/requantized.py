"""What linear, conv2d and depthwise_conv2d share: weights to int8, bias to int32, the overflow proof."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.errors import ModelError
from cpcc.fixedpoint import INT32_MAX, Requant, Scaling, TfliteRequant, accumulator_bound, narrow, requantize
from cpcc.graph import Graph, Int8, Integer, Node
from cpcc.quant.few_levels import exact_scales


@dataclass(frozen=True, eq=False)
class Output:
    """How an accumulator becomes an int8 output: folded `bias` (channels,) int32, then requantization."""

    bias: np.ndarray
    requant: Scaling
    zero_point: int
    low: int
    high: int

    def apply(self, acc: np.ndarray) -> np.ndarray:
        """int8 outputs of int64 dot products ``(..., channels)``."""
        return requantize(acc + self.bias, self.requant, self.zero_point, self.low, self.high)

    def reach(self, weights: np.ndarray) -> np.ndarray:
        """(channels,) largest magnitude of a shifted accumulator for `weights` (channels, k), whatever the inputs."""
        return self.requant.reach(accumulator_bound(weights, self.bias))

    @property
    def entry(self) -> str:
        """Which of a kernel's two C functions runs this rounding: the suffix of its name."""
        return "_tflite" if isinstance(self.requant, TfliteRequant) else ""

    def fields(self) -> dict[str, int | np.ndarray]:
        """Fields of the C struct ``cpcc_output_t``, in its order."""
        return {
            "output.bias": self.bias,
            "output.multiplier": self.requant.multiplier,
            **self._shift(),
            "output.zero_point": self.zero_point,
            "output.low": self.low,
            "output.high": self.high,
        }

    def _shift(self) -> dict[str, int | np.ndarray]:
        if isinstance(self.requant, TfliteRequant):
            return {"output.shift": self.requant.shift}
        return {"output.left_shift": self.requant.left_shift}


def clamp_limits(y: Integer, relu: bool, ceiling: float) -> tuple[int, int]:
    """Smallest and largest output of type `y` behind a fused ReLU (clamped at `ceiling` too) or none."""
    if not relu:
        return y.low, y.high
    return max(y.low, y.zero_point), int(y.quantize(np.array(ceiling)))


SMALLEST_SCALE = 2.0**-60


def weight_scales(weight: np.ndarray, bias: np.ndarray, x: Integer, y: Integer) -> np.ndarray:
    """Symmetric scale per output channel, (out,), for float weights (out, k).

    A channel whose bias dwarfs its weights (a fully pruned one has none left) gets the scale that keeps the int32
    bias within 2**29 after the layer's left shift; the weights lose precision that the output could not show anyway. Weights of few levels stay exact."""
    largest = np.maximum(np.abs(weight).max(axis=1, initial=0.0).astype(np.float64) / 127, SMALLEST_SCALE)
    left_shift = Requant.from_scales(x.scale * largest / y.scale).left_shift
    smallest = np.maximum(largest, np.abs(bias.astype(np.float64)) / (x.scale * 2.0 ** (29 - left_shift)))
    return exact_scales(weight, smallest)


def quantize_affine(
    weight: np.ndarray, bias: np.ndarray, x: Int8, y: Int8, relu: bool, ceiling: float = math.inf,
    prescribed: np.ndarray | None = None,
) -> tuple[np.ndarray, Output]:  # fmt: skip
    """int8 weights (out, k) and the output stage for float weights (out, k) and bias (out,); `prescribed` scales (out,) or
    (1,) are kept.

    A zero weight stays exactly 0. Source: TFLite 8-bit quantization specification (per-axis symmetric weights)."""
    scales = weight_scales(weight, bias, x, y) if prescribed is None else np.broadcast_to(prescribed, (len(weight),))
    w8 = narrow(np.rint(weight / scales[:, None]), np.int8)
    real = np.rint(bias / (x.scale * scales))
    if not (np.abs(real) < 2.0**53).all():
        raise OverflowError(f"a bias of {np.abs(real).max():g} steps of the accumulator")
    bias32 = real.astype(np.int64)
    folded = narrow(bias32 - x.zero_point * w8.astype(np.int64).sum(axis=1), np.int32)
    low, high = clamp_limits(y, relu, ceiling)
    requant = Requant.from_scales(x.scale * scales / y.scale)
    return w8, Output(folded, requant, y.zero_point, low, high)


def check_overflow(node: Node, weights: np.ndarray, output: Output) -> None:
    """Proof from the constants that no accumulator leaves int32. Raises `ModelError`. weights (out, k)."""
    bound = output.reach(weights)
    worst = int(np.argmax(bound))
    if bound[worst] > INT32_MAX:
        raise ModelError(
            f"{node.name}: the accumulator of output {worst} can reach {bound[worst]}, the limit is {INT32_MAX}; "
            "use fewer inputs per output, or calibration data that cover the output's range"
        )


def input_type(node: Node, graph: Graph) -> Int8:
    """int8 type of the node's first input."""
    kind = graph.tensors[node.inputs[0]].type
    assert isinstance(kind, Int8), f"{node.name} is not quantized"
    return kind


def clamped_outputs(node: Node, graph: Graph) -> int:
    """Outputs that ``cpcc_saturate`` goes through, since they end before the int8 range does."""
    output = node.params.output
    return graph.output_tensor(node).size * (output.low > Int8.low or output.high < Int8.high)
