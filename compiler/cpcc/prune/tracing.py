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
    network's input; `data`: whether it is computed from the latter. `weight`: that of a linear call, and `pixels` h * w where its argument is a flattened image
    (c, h, w) in torch's order; else 1."""

    name: str
    inputs: tuple[int, ...]
    ndim: int
    weight: Tensor | None
    pixels: int
    data: bool = True


class Data:
    """The tensors that are computed from a network's input `x`: its weights and masks are not."""

    def __init__(self, x: Tensor) -> None:
        self.kept: list[Tensor] = [x]  # an id is only unique while its tensor lives
        self.ids = {id(x)}

    def follow(self, arguments: Any, result: Any) -> bool:
        """Whether a call's result belongs to them; it is remembered."""
        if not any(id(each) in self.ids for each in _flat([arguments]) if isinstance(each, Tensor)):
            return False
        self.add(result)
        return True

    def add(self, result: Any) -> None:
        found = [each for each in _flat([result]) if isinstance(each, Tensor)]
        self.kept += found
        self.ids.update(map(id, found))


class _Recorder(TorchFunctionMode):
    """Records calls that return a tensor."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.data = Data(x)
        self.calls: list[Call] = []
        self.pixels: list[int] = []  # h * w of each result, of the image it was where it is flat
        self.makers: dict[int, int] = {}
        self.kept: list[Tensor] = []  # an id is only unique while its tensor lives

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        arguments = (args, tuple((kwargs or {}).values()))
        tensors = [each for each in _flat(arguments) if isinstance(each, Tensor)]
        data = self.data.follow(arguments, result)
        if isinstance(result, Tensor) and tensors:
            self._record(name_of(func, args, kwargs or {}, result), tensors, result, data)
        return result

    def _record(self, name: str, tensors: list[Tensor], result: Tensor, data: bool) -> None:
        inputs = tuple(self.makers.get(id(each), OUTSIDE) for each in tensors)
        before = self.pixels[inputs[0]] if inputs[0] != OUTSIDE else _pixels(tensors[0])
        linear = name == "linear"
        flat = linear and tensors[0].ndim == 2
        self.calls.append(Call(name, inputs, result.ndim, tensors[1] if linear else None, before if flat else 1, data))
        self.pixels.append(before if result.ndim == 2 and not linear else _pixels(result))
        self.makers[id(result)] = len(self.calls) - 1
        self.kept.append(result)


def name_of(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> str:
    """The function's name; "relu6" for a hardtanh from 0, "global_mean" for a mean of all of an image per channel."""
    name = getattr(func, "__name__", "")
    if name in ("hardtanh", "hardtanh_") and (*args[1:], kwargs.get("min_val", -1.0))[0] == 0:
        return "relu6"
    if name == "mean" or name.startswith("adaptive_avg_pool"):
        image = args[0] if args else kwargs["input"]
        whole = isinstance(result, Tensor) and result.ndim >= 2 and result.numel() == image.shape[0] * image.shape[1]
        return "global_mean" if whole and image.ndim in (3, 4) else name
    return name


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
    recorder = _Recorder(example)
    net.eval()
    with torch.no_grad(), recorder:
        net(example)
    return recorder.calls
