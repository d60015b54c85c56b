"""The networks of the evidence: one small convolutional net and one perceptron, both of 16,000 weights and more."""

from collections.abc import Sequence

from torch import nn


def net_for(shape: Sequence[int]) -> nn.Module:
    """A fresh network with one logit for samples (features,) or (c, h, w)."""
    return perceptron(shape[0]) if len(shape) == 1 else three_convolutions(shape)


def three_convolutions(shape: Sequence[int]) -> nn.Module:
    """conv 16, 32, 40 with ReLU, pooled twice, averaged: 16,312 weights for one channel. A height of 1 (a time
    series) gets 1x3 kernels and wider layers, to about the same count."""
    channels, height, width = shape
    flat = height == 1
    kernel, padding = ((1, 3), (0, 1)) if flat else ((3, 3), (1, 1))
    pool = (1, 2) if flat else (2, 2)
    a, b, c = (32, 64, 64) if flat else (16, 32, 40)
    stride = 2 if min(height, width) >= 64 else 1  # 64x64 pictures would cost four times as much
    return nn.Sequential(
        *(nn.Conv2d(channels, a, kernel, stride, padding), nn.ReLU(), nn.MaxPool2d(pool)),
        *(nn.Conv2d(a, b, kernel, 1, padding), nn.ReLU(), nn.MaxPool2d(pool)),
        *(nn.Conv2d(b, c, kernel, 1, padding), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(c, 1)),
    )


def perceptron(features: int) -> nn.Module:
    """features-128-128-1 with ReLU."""
    hidden = [nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(128, 1))
