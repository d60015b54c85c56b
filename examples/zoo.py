"""The networks people put on microcontrollers, each as a function of its input shape and number of outputs.

`ZOO` lists them with their usual shapes. All return logits, the autoencoder its input. `PORTED` has those with several inputs
or outputs. tests/test_zoo.py compiles every one;
bench/zoo_accuracy.py trains them on real tasks. For `cpcc prune` write a function without arguments:

    def net(): return ecg_net((1, 187), 1)      # in my_net.py: cpcc prune my_net.py:net ...
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from cpcc.nets import cnn3, dscnn, lenet5

Shape = Sequence[int]


@dataclass(frozen=True)
class Entry:
    """A network's builder (input shape, outputs), its usual input shape, and a smaller one for quick tests."""

    build: Callable[[Shape, int], nn.Module]
    shape: tuple[int, ...]
    small: tuple[int, ...]
    outputs: int = 2


def conv_norm(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution and batch norm, padded so that stride 1 keeps the size."""
    return [nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(after)]


def head(channels: int, outputs: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, outputs)]


def mobilenet_v1(shape: Shape, outputs: int, width: float = 0.25) -> nn.Module:
    """MobileNetV1 (Howard et al. 2017): 13 depthwise separable blocks."""
    channels = [int(width * c) for c in (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)]
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    layers = [*conv_norm(shape[0], channels[0], 3, 2), nn.ReLU()]
    for before, after, stride in zip(channels, channels[1:], strides):
        layers += [*conv_norm(before, before, 3, stride, before), nn.ReLU(), *conv_norm(before, after, 1), nn.ReLU()]
    return nn.Sequential(*layers, *head(channels[-1], outputs))


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down without activation; the input is added where the shape stays."""

    def __init__(self, before: int, after: int, stride: int, expand: int) -> None:
        super().__init__()
        inner = before * expand
        up = [*conv_norm(before, inner, 1), nn.ReLU6()] if expand > 1 else []
        down = conv_norm(inner, after, 1)
        self.body = nn.Sequential(*up, *conv_norm(inner, inner, 3, stride, inner), nn.ReLU6(), *down)
        self.residual = stride == 1 and before == after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def _eighth(channels: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth smaller (as in the paper's code)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def mobilenet_v2(shape: Shape, outputs: int, width: float = 0.35, last: int = 1280) -> nn.Module:
    """MobileNetV2 (Sandler et al. 2018): 17 inverted residuals, ReLU6."""
    before = _eighth(32 * width)
    layers: list[nn.Module] = [*conv_norm(shape[0], before, 3, 2), nn.ReLU6()]
    for expand, channels, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for i in range(count):
            layers.append(InvertedResidual(before, _eighth(channels * width), stride if i == 0 else 1, expand))
            before = _eighth(channels * width)
    return nn.Sequential(*layers, *conv_norm(before, last, 1), nn.ReLU6(), *head(last, outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, which is a 1x1 convolution where the shape changes (He et al. 2015)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_norm(before, after, 3, stride), nn.ReLU(), *conv_norm(after, after, 3))
        self.shortcut = nn.Conv2d(before, after, 1, stride) if before != after else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def resnet8(shape: Shape, outputs: int) -> nn.Module:
    """ResNet-8 of MLPerf Tiny's image classification: three stages of one block, 16, 32 and 64 channels."""
    first = [*conv_norm(shape[0], 16, 3), nn.ReLU()]
    return nn.Sequential(
        *first, BasicBlock(16, 16, 1), BasicBlock(16, 32, 2), BasicBlock(32, 64, 2), *head(64, outputs)
    )


def autoencoder(shape: Shape, outputs: int) -> nn.Module:
    """Fully connected autoencoder of MLPerf Tiny's anomaly detection: 128 wide, 8 in the middle; returns its input."""
    sizes = [shape[0], 128, 128, 8, 128, 128]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], shape[0]))


def ecg_net(shape: Shape, outputs: int) -> nn.Module:
    """Temporal convolutions, dilated and grouped, over a series (channels, length)."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(((shape[0], 16), (16, 16), (16, 24), (24, 32))):
        groups = 4 if i == 2 else 1
        layers += [nn.Conv1d(before, after, 5, padding="same", dilation=2**i, groups=groups if before % 4 == 0 else 1),
                   nn.BatchNorm1d(after), nn.ReLU(), nn.MaxPool1d(2) if i % 2 else nn.Identity()]  # fmt: skip
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(128, outputs))


class Inception(nn.Module):
    """Four branches side by side (Szegedy et al. 2014), small."""

    def __init__(self, before: int, each: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, each, 1)
        self.three = nn.Sequential(nn.Conv2d(before, each // 2, 1), nn.ReLU(), nn.Conv2d(each // 2, each, 3, padding=1))
        self.five = nn.Sequential(nn.Conv2d(before, each // 2, 1), nn.SiLU(), nn.Conv2d(each // 2, each, 5, padding=2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(before, each, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1))


def inception(shape: Shape, outputs: int) -> nn.Module:
    first = [nn.Conv2d(shape[0], 12, 3, 2, 1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*first, Inception(12, 8), nn.MaxPool2d(2), Inception(32, 12), *head(48, outputs))


class SqueezeExcite(nn.Module):
    """Channels scaled by a gate computed from their means (Hu et al. 2017)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, squeezed), nn.Linear(squeezed, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


def squeeze_excite(shape: Shape, outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((shape[0], 16), (16, 24)):
        layers += [*conv_norm(before, after, 3, 2), nn.Hardswish(), SqueezeExcite(after, 6)]
    return nn.Sequential(*layers, *head(24, outputs))


class GruNet(nn.Module):
    """A convolution that shortens a series (channels, length), a GRU over what is left, its last state."""

    def __init__(self, shape: Shape, outputs: int, units: int = 24) -> None:
        super().__init__()
        self.conv = nn.Conv1d(shape[0], 12, 5, 2)
        self.gru = nn.GRU(12, units, batch_first=True)
        self.head = nn.Linear(units, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        series, _ = self.gru(F.relu(self.conv(x)).transpose(1, 2))
        return self.head(series[:, -1])


ZOO: dict[str, Entry] = {
    "lenet5": Entry(lenet5, (1, 28, 28), (1, 28, 28), 10),
    "cnn3": Entry(cnn3, (3, 128, 128), (3, 32, 32)),
    "dscnn": Entry(dscnn, (1, 49, 10), (1, 25, 10), 12),
    "mobilenet_v1": Entry(mobilenet_v1, (3, 96, 96), (3, 32, 32)),
    "mobilenet_v2": Entry(mobilenet_v2, (3, 96, 96), (3, 32, 32)),
    "resnet8": Entry(resnet8, (3, 32, 32), (3, 16, 16), 10),
    "autoencoder": Entry(autoencoder, (640,), (96,), 0),
    "ecg_net": Entry(ecg_net, (1, 187), (2, 64), 5),
    "gru_net": Entry(GruNet, (6, 64), (6, 24)),
    "inception": Entry(inception, (1, 28, 28), (1, 16, 16), 10),
    "squeeze_excite": Entry(squeeze_excite, (3, 32, 32), (3, 16, 16)),
}


class TwoSensors(nn.Module):
    """An accelerometer and a gyroscope, (3, length) each and with a rate of their own: a branch each, joined before the end."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.accel = nn.Sequential(nn.Conv1d(3, 12, 5, 2), nn.ReLU(), nn.Conv1d(12, 16, 3, 2), nn.ReLU())
        self.gyro = nn.Sequential(nn.Conv1d(3, 8, 5, 2), nn.ReLU(), nn.Conv1d(8, 16, 3, 2), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, outputs))

    def forward(self, accel: torch.Tensor, gyro: torch.Tensor) -> torch.Tensor:
        both = torch.cat([self.accel(accel).mean(2), self.gyro(gyro).mean(2)], 1)
        return self.head(both)


class TwoHeads(nn.Module):
    """One picture, two answers: whether there is a defect, and where its middle is (x, y from 0 to 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_norm(channels, 12, 3, 2), nn.ReLU(), *conv_norm(12, 16, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2)
        )
        self.defect, self.middle = nn.Linear(64, 1), nn.Linear(64, 2)

    def forward(self, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        seen = self.body(picture).flatten(1)
        return {"defect": self.defect(seen), "middle": torch.sigmoid(self.middle(seen))}


@dataclass(frozen=True)
class PortedEntry:
    """A network with several inputs or outputs: its builder, one sample's shape of each input, and the names of the outputs."""

    build: Callable[[], nn.Module]
    shapes: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]


PORTED: dict[str, PortedEntry] = {
    "two_sensors": PortedEntry(lambda: TwoSensors(2), {"accel": (3, 40), "gyro": (3, 80)}, ("output",)),
    "two_heads": PortedEntry(lambda: TwoHeads(1), {"picture": (1, 24, 24)}, ("defect", "middle")),
}
