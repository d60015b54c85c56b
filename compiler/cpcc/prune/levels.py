"""Weights of few values: each output channel's are whole multiples of one scale, trained with straight-through
estimates. A pruned weight is 0, which is one of the values.

Sources: Li et al., "Ternary Weight Networks", 2016 (three values, one scale of least squared error, real weights
kept for the updates); Bengio et al., "Estimating or Propagating Gradients", 2013 (straight-through).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

# Largest multiple of the scale, by the word of `PruneSettings.weights`.
LEVELS: Mapping[str, int] = {"ternary": 1, "3bit": 3, "4bit": 7}

# Steps of the uniform quantizer of least squared error with 2k + 1 values for normal weights, in standard deviations:
# where the search for a channel's scale begins. (Max, "Quantizing for minimum distortion", 1960, for its principle.)
_FIRST_STEP: Mapping[int, float] = {1: 1.22, 3: 0.65, 7: 0.35}
_ROUNDS = 4


class StraightThrough(torch.autograd.Function):
    """The second argument forward; the gradient goes to the first as if both were one."""

    @staticmethod
    def forward(context: Any, weight: Tensor, quantized: Tensor) -> Tensor:
        return quantized.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class FewLevels(nn.Module):
    """Parametrization of a weight (outputs, ...) below its mask; the identity while `active` is False.

    `owner` is the layer, whose buffer `weight_mask` tells which weights have a say in the scale."""

    def __init__(self, owner: nn.Module, largest: int) -> None:
        super().__init__()
        self.owner = (owner,)  # in a tuple: not a submodule of its own submodule
        self.largest = largest
        self.active = False

    def forward(self, weight: Tensor) -> Tensor:
        if not self.active:
            return weight
        with torch.no_grad():
            quantized = few_levels(weight, self.owner[0].get_buffer("weight_mask"), self.largest)
        result: Tensor = StraightThrough.apply(weight, quantized)
        return result


def few_levels(weight: Tensor, mask: Tensor, largest: int) -> Tensor:
    """`weight` (outputs, ...) float32 rounded to scale * {-largest..largest}, a scale per output; 0 where `mask` is.

    Scales have short mantissas, so that every multiple is exact in float32."""
    rows = (weight * mask).flatten(1)
    scale = _scales(rows, mask.flatten(1), largest)
    levels = _levels(rows, scale, largest)
    return torch.where(levels == 0, 0.0, levels * scale).reshape(weight.shape)  # no -0.0


def _scales(rows: Tensor, mask: Tensor, largest: int) -> Tensor:
    """Scales (outputs, 1) of small squared error: rounding and least squares in turn."""
    living = mask.sum(1, keepdim=True).clamp(min=1)
    scale = _FIRST_STEP[largest] * (rows.square().sum(1, keepdim=True) / living).sqrt()
    for _ in range(_ROUNDS):
        levels = _levels(rows, scale, largest)
        fitted = (levels * rows).sum(1, keepdim=True) / levels.square().sum(1, keepdim=True).clamp(min=1)
        scale = torch.where(fitted > 0, fitted, scale)
    return _shortened(scale)


def _levels(rows: Tensor, scale: Tensor, largest: int) -> Tensor:
    """Whole numbers -largest..largest; 0 for a row of zeros."""
    return (rows / scale.clamp(min=torch.finfo(torch.float32).tiny)).round().clamp(-largest, largest)


def _shortened(scale: Tensor) -> Tensor:
    """Float32 with the last 4 of 24 bits of the mantissa cleared: times 7 it still fits."""
    mantissa, exponent = torch.frexp(scale)
    return torch.ldexp((mantissa * 2**20).round() / 2**20, exponent)


__all__ = ["LEVELS", "FewLevels", "StraightThrough", "few_levels"]
