"""Float parameters of every op: what a front end writes and the quantizer reads.

Layouts are channels-last. Arrays are float32 and never NaN or infinite (front ends check).
A fused ReLU (`relu`) clamps to [0, `ceiling`]; ReLU6 has the ceiling 6. `weight_scales`, float64 (out,) or (1,), are
prescribed by a model that is quantized already, whose biases are float64 then; None: the quantizer chooses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cpcc.ops.formulas import Formula


@dataclass(frozen=True, eq=False)
class Linear:
    """``y = x @ weight.T + bias``, then ReLU if `relu`. weight (out, in), bias (out,).

    The input may have any shape with `in` elements; it is read in memory order (channels-last)."""

    weight: np.ndarray
    bias: np.ndarray
    relu: bool = False
    ceiling: float = math.inf
    weight_scales: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Conv2d:
    """2-D correlation, then ReLU if `relu`. weight (out, kh, kw, in), bias (out,);
    stride (h, w); padding (top, bottom, left, right) with zeros."""

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    relu: bool = False
    ceiling: float = math.inf
    weight_scales: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class DepthwiseConv2d:
    """One filter per channel, then ReLU if `relu`. weight (kh, kw, channels), bias (channels,)."""

    weight: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    relu: bool = False
    ceiling: float = math.inf
    weight_scales: np.ndarray | None = None


@dataclass(frozen=True)
class MaxPool2d:
    """Maximum over windows clipped to the input; `out_size` (h, w) is explicit, so ceil mode needs no flag."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    out_size: tuple[int, int]


@dataclass(frozen=True)
class AvgPool2d:
    """Mean over rectangular windows, one (start, stop) per output row and per output column, clipped to the
    input. `divisors[i][j]` is what the sum of window (i, j) is divided by (its area, or more where the padding counts).
    Covers AvgPool2d, AdaptiveAvgPool2d (uneven, enlarging) and global pooling."""

    rows: tuple[tuple[int, int], ...]
    cols: tuple[tuple[int, int], ...]
    divisors: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Relu:
    """``min(max(x, 0), ceiling)``, where it could not be fused into its producer."""

    ceiling: float = math.inf


@dataclass(frozen=True)
class Reshape:
    """Same bytes in memory order, another shape."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class Add:
    """``a + b`` of two tensors of one shape, then ReLU if `relu`."""

    relu: bool = False


@dataclass(frozen=True)
class Softmax:
    """``exp(beta * x) / sum(exp(beta * x))`` over the last axis (of images: the channels)."""

    beta: float = 1.0


@dataclass(frozen=True)
class LogSoftmax:
    """``x - log(sum(exp(x)))`` over the last axis (of images: the channels)."""


@dataclass(frozen=True)
class Lookup:
    """``function(x, *arguments)`` of every element; `function` is a name in `cpcc.ops.activations.FUNCTIONS`, or a formula."""

    function: str | Formula
    arguments: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class ChannelLookup:
    """``function(x, *arguments)`` of every element; each argument float32 (channels,), which the elements of a sample take in turn."""

    function: str
    arguments: tuple[np.ndarray, ...]

    @property
    def channels(self) -> int:
        return len(self.arguments[0])


@dataclass(frozen=True)
class Mul:
    """``a * b``, broadcast."""


@dataclass(frozen=True)
class WeightedSum:
    """``coefficients[0] * a + coefficients[1] * b``, broadcast, then ReLU if `relu`."""

    coefficients: tuple[float, float] = (1.0, 1.0)
    relu: bool = False
    ceiling: float = math.inf


@dataclass(frozen=True)
class Concat:
    """The inputs side by side along `axis` of their channels-last shapes."""

    axis: int


@dataclass(frozen=True)
class Convert:
    """The same values in another integer type."""


@dataclass(frozen=True)
class Pad:
    """Zeros `before` and `after` each axis (h, w, channels) and `between` its elements."""

    before: tuple[int, int, int]
    after: tuple[int, int, int]
    between: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class StridedCopy:
    """Elements of the input in another order, as `shape`: `loops` are (size, stride) in elements of its memory,
    outermost first, from element `offset`."""

    shape: tuple[int, ...]
    loops: tuple[tuple[int, int], ...]
    offset: int = 0


@dataclass(frozen=True)
class Mean:
    """Mean of all `pixels` of an image, per channel."""

    pixels: int


@dataclass(frozen=True, eq=False)
class Recurrent:
    """A recurrent layer over `steps` inputs. Weights (gates * units, inputs) and (gates * units, units), biases
    (gates * units,). The input is (1, steps, inputs). It begins with the hidden state `hidden` (units,) and, where there is one,
    the cell state `cell` (units,); None: with zeros."""

    steps: int
    input_weight: np.ndarray
    input_bias: np.ndarray
    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    hidden: np.ndarray | None = None
    cell: np.ndarray | None = None

    @property
    def units(self) -> int:
        return int(self.hidden_weight.shape[1])

    def begin(self, state: np.ndarray | None, samples: int) -> np.ndarray:
        """float64 (samples, units) of a `state` of the layer."""
        return np.tile(np.zeros(self.units) if state is None else np.asarray(state, np.float64), (samples, 1))


class Gru(Recurrent):
    """Gates in the order r, z, n (torch.nn.GRU)."""


class GruResetBefore(Recurrent):
    """Gates as of `Gru`; the reset gate acts on the state before the product (ONNX's linear_before_reset = 0)."""


class Lstm(Recurrent):
    """Gates in the order i, f, g, o (torch.nn.LSTM)."""
