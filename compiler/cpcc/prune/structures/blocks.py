"""1x4 and 1x16 blocks: consecutive input channels of one output at one kernel tap, which one load reads: a word of the DSP
extension, a vector of Helium.

The compiled network is channels-last, so these lie side by side. A Linear layer behind a flattened image (c, h, w) has its
columns permuted to (h, w, c) by the compiler: its blocks are channels of one pixel.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from cpcc.prune import masks as masking
from cpcc.prune.masks import Tensors
from cpcc.prune.structures.base import Structure
from cpcc.prune.tracing import trace


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the blocks of one weight lie: `order` (columns,) int64 brings the members of each block side by side,
    `block` (columns,) int64 is the block number of each of them, ascending."""

    order: Tensor
    block: Tensor

    @staticmethod
    def convolution(channels: int, taps: int, size: int) -> "Layout":
        """Of columns channel * taps + tap, in blocks of `size` channels. Channels that are no multiple of it leave a shorter block at
        each tap's end; with one channel (depthwise) every weight is its own block."""
        within = torch.arange(channels) // size
        blocks = -(-channels // size)
        return Layout(_transposed(channels, taps), (torch.arange(taps)[:, None] * blocks + within).flatten())

    @staticmethod
    def linear(columns: int, pixels: int, size: int) -> "Layout":
        """Of columns channel * pixels + pixel, which the compiler permutes to pixel * channels + channel; pixels is 1
        for plain features. The last block may be shorter."""
        return Layout(_transposed(columns // pixels, pixels), torch.arange(columns) // size)

    def sums(self, values: Tensor) -> Tensor:
        """Every member's value (outputs, columns in `order`) replaced by its block's sum."""
        block = self.block.to(values.device).expand_as(values)
        totals = values.new_zeros(len(values), int(self.block[-1]) + 1).scatter_add_(1, block, values)
        return totals.gather(1, block)

    def pack(self, values: Tensor) -> Tensor:
        """A weight's values (outputs, ...) as (outputs, columns in `order`)."""
        return values.flatten(1)[:, self.order.to(values.device)]

    def unpack(self, packed: Tensor, shape: torch.Size) -> Tensor:
        """Inverse of `pack`."""
        values = torch.empty_like(packed)
        values[:, self.order.to(packed.device)] = packed
        return values.reshape(shape)


def _transposed(rows: int, columns: int) -> Tensor:
    """Numbers of a row-major (rows, columns) matrix, read column by column."""
    return torch.arange(rows * columns).reshape(rows, columns).T.flatten()


class Blocks(Structure):
    """A block is kept or pruned as a whole. Its score is the sum of its members' scores: to first order what the loss
    pays for it, and a block costs the kernel the same whether its members are large or small, `size` or fewer."""

    size: ClassVar[int] = 4

    def __init__(self, net: nn.Module, example: Tensor, biases: bool) -> None:
        super().__init__(net, example, biases)
        self.layouts = layouts(net, example, self.size)

    def tighten(
        self, scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], fraction: float, scope: str, floor: int
    ) -> Tensors:
        """`masks.tighten` on weights that carry their block's score; the block at the cut, of which a part would
        stay, stays whole."""
        packed = {key: self._summed(key, each) for key, each in scores.items()}
        old = {key: self._packed(key, each) for key, each in masks.items()}
        new = masking.tighten(packed, old, fraction, scope, floor)
        return {key: self._completed(key, each, masks[key]) for key, each in new.items()}

    def _packed(self, key: str, values: Tensor) -> Tensor:
        layout = self.layouts.get(key)
        return values if layout is None else layout.pack(values).reshape(values.shape)

    def _summed(self, key: str, values: Tensor) -> Tensor:
        layout = self.layouts.get(key)
        return values if layout is None else layout.sums(layout.pack(values)).reshape(values.shape)

    def _completed(self, key: str, kept: Tensor, old: Tensor) -> Tensor:
        layout = self.layouts.get(key)
        if layout is None:
            return kept
        whole = layout.sums(kept.flatten(1).to(torch.float32)) > 0
        return layout.unpack(whole, old.shape) & old


class Blocks16(Blocks):
    """Blocks of sixteen: a vector."""

    size = 16


def layouts(net: nn.Module, example: Tensor, size: int) -> dict[str, Layout]:
    """The blocks of `size` of every Linear and Conv weight by its state_dict name, found by one forward pass of `example`."""
    pixels = {id(call.weight): call.pixels for call in trace(net, example) if call.weight is not None}
    found = {}
    for slot in masking.slots(net, example, biases=False):
        weight = slot.module.get_parameter(slot.name)
        if weight.ndim == 2:
            found[slot.key] = Layout.linear(weight.shape[1], pixels.get(id(weight), 1), size)
        else:
            found[slot.key] = Layout.convolution(weight.shape[1], weight[0, 0].numel(), size)
    return found
