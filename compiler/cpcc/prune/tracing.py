"""What a network computes, in the order of its calls: one forward pass, watched at the level of torch functions.

Modules and plain functions (`F.relu`, `x + y`) look the same from here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

OUTSIDE = -1


@dataclass(frozen=True)
class Call:
    """One function call, its result of `ndim` axes. `inputs` are numbers of the calls that made its tensor arguments, OUTSIDE for weights and the
    network's input. `weight`: that of a linear call, and `pixels` h * w where its argument is a flattened image
    (c, h, w) in torch's order; else 1."""

    name: str
    inputs: tuple[int, ...]
    ndim: int
    weight: Tensor | None
    pixels: int


class _Recorder(TorchFunctionMode):
    """Records calls that return a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.pixels: list[int] = []  # h * w of each result, of the image it was where it is flat
        self.makers: dict[int, int] = {}
        self.kept: list[Tensor] = []  # an id is only unique while its tensor lives

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [each for each in _flat((args, tuple((kwargs or {}).values()))) if isinstance(each, Tensor)]
        if isinstance(result, Tensor) and tensors:
            self._record(getattr(func, "__name__", ""), tensors, result)
        return result

    def _record(self, name: str, tensors: list[Tensor], result: Tensor) -> None:
        inputs = tuple(self.makers.get(id(each), OUTSIDE) for each in tensors)
        before = self.pixels[inputs[0]] if inputs[0] != OUTSIDE else _pixels(tensors[0])
        linear = name == "linear"
        flat = linear and tensors[0].ndim == 2
        self.calls.append(Call(name, inputs, result.ndim, tensors[1] if linear else None, before if flat else 1))
        self.pixels.append(before if result.ndim == 2 and not linear else _pixels(result))
        self.makers[id(result)] = len(self.calls) - 1
        self.kept.append(result)


def _pixels(image: Tensor) -> int:
    """h * w of (n, c, h, w), w of (n, c, w), 1 of anything else."""
    return image[0, 0].numel() if image.ndim in (3, 4) and len(image) and image.shape[1] else 1


def _flat(values: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for each in values:
        flat += _flat(each) if isinstance(each, (tuple, list)) else [each]
    return flat


def trace(net: nn.Module, example: Tensor) -> list[Call]:
    """The calls of one forward pass of `example` (n, ...) in eval mode."""
    recorder = _Recorder()
    net.eval()
    with torch.no_grad(), recorder:
        net(example)
    return recorder.calls
