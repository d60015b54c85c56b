"""What weights in common cost and save where the calls of a layer have types of their own: `python bench/tied_weights.py` prints, for small
networks on the Cortex-M4, bytes of constants and estimated instructions and cycles, with the kernels for tied weights and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from cpcc.frontends.torch_export import to_graph
from cpcc.models.exporting import export_module
from cpcc.plan.copies import copies
from cpcc.plan.kernels import any_kernel
from cpcc.plan.plan import estimate, make_plan
from cpcc.plan.sizes import stored_bytes
from cpcc.quantize import calibrate, quantize_graph
from cpcc.targets import TARGETS

GAIN = 5.0  # of the second branch: too far apart for one type


class Branches(nn.Module):
    """Both halves of the channels through one encoder, the second `GAIN` times as large."""

    def __init__(self, encoder: nn.Module, features: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(features, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.tanh(x).chunk(2, 1)
        return self.head((self.encoder(a) - self.encoder(GAIN * b)).flatten(1))


class Thrice(nn.Module):
    """One convolution that is called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.relu(self.conv(torch.relu(self.conv(x))))).amax((2, 3))


def convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(4, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    )


def depthwise() -> nn.Sequential:
    """At strides 1 and 2."""
    return nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.ReLU(), nn.Conv2d(16, 16, 5, 2, 2, groups=16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, 2, 1, groups=16), nn.ReLU(),
    )  # fmt: skip


def single(weight: torch.Tensor) -> torch.Tensor:
    """Which single weights stay: a tenth."""
    return torch.rand_like(weight) < 0.1


def blocks(weight: torch.Tensor) -> torch.Tensor:
    """Which blocks of four channels stay: a quarter."""
    return (torch.rand_like(weight[:, ::4]) < 0.25).repeat_interleave(4, 1)


def pruned(net: nn.Module, mask: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data *= mask(module.weight)
    return net


def cases() -> Iterator[tuple[str, nn.Module, tuple[int, ...]]]:
    torch.manual_seed(0)
    image, vector = (8, 8, 8), (80,)
    yield "encoder of two convolutions, two branches", Branches(convolutions(), 256), image
    yield "the same, a tenth of the weights", Branches(pruned(convolutions(), single), 256), image
    yield "the same, a quarter in blocks", Branches(pruned(convolutions(), blocks), 256), image
    yield "fully connected 40-64, two branches", Branches(nn.Sequential(nn.Linear(40, 64), nn.Tanh()), 64), vector
    thin = pruned(nn.Linear(40, 64), single)
    yield "the same, a tenth of the weights", Branches(nn.Sequential(thin, nn.Tanh()), 64), vector
    yield "convolution 3x3 8-8, 6x6, three times in a row", Thrice(), (8, 6, 6)
    yield "depthwise 3x3 and 5x5, two branches", Branches(depthwise(), 64), (32, 8, 8)
    yield "the same, a tenth of the weights", Branches(pruned(depthwise(), single), 64), (32, 8, 8)


def main() -> None:
    print("| network | constants | without | instructions | without | cycles | without | stored more than once |")
    print("|---|---|---|---|---|---|---|---|")
    for name, net, shape in cases():
        graph = to_graph(export_module(net.eval(), shape), "t")
        x = np.random.default_rng(0).normal(0, 1, (40, *graph.input.shape))
        int8 = quantize_graph(graph, calibrate(graph, x))
        plans = [make_plan(int8, TARGETS["stm32"], policy) for policy in (any_kernel, lambda k: not k.tied)]
        own, usual = ((stored_bytes(s.packed for s in plan.steps), estimate(plan)) for plan in plans)
        twice = ", ".join(found.layers[0] for found in copies(plans[0].graph, plans[0].layers)) or "-"
        figures = ((own[0], usual[0]), (own[1].instructions, usual[1].instructions), (own[1].cycles, usual[1].cycles))
        print(f"| {name} | " + " | ".join(f"{round(a):,} | {round(b):,}" for a, b in figures) + f" | {twice} |")


if __name__ == "__main__":
    main()
