"""Quantization-aware fine-tuning: the network computes as its int8 form will, and learns to live with it.

Weights: symmetric int8 with a scale per output channel. Tensors: affine int8 over an observed range that covers 0, at
the places where the compiler has a tensor: behind a convolution or linear layer with its batch norm and ReLU or ReLU6, behind an
addition, a product, a mean of an image or another activation; pooling, reshapes and a ReLU on its own keep their input's type. What a
concatenation alone reads is rounded behind it, to its type. Recurrent layers compute in float. The rules are those of `cpcc.quantize` and
`cpcc.ops.requantized`, but for int32 biases, which are taken as exact, and ranges, which move with the batches.
Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cpcc.prune.tracing import OUTSIDE, Call, Data, name_of, trace

MOMENTUM = 0.05  # of the observed ranges
_LOW, _HIGH, _SEEN = "int8_low", "int8_high", "int8_seen"

_LINEAR = frozenset(["linear", "conv1d", "conv2d"])
_ADDED = frozenset(["add", "add_", "__add__", "__iadd__", "sub", "sub_", "__sub__", "__isub__"])
_FUSED = frozenset(["relu", "relu_", "relu6"])
_NORM = "batch_norm"
_FUSING = _LINEAR | _ADDED | {_NORM}
_CURVES = frozenset(
    ["sigmoid", "tanh", "silu", "gelu", "elu", "leaky_relu", "hardtanh", "hardswish", "hardsigmoid", "relu6"]
)
_JOINED = frozenset(["cat", "concat", "concatenate"])
_OWN = frozenset(["mul", "mul_", "__mul__", "__imul__", "global_mean"])
_PLACES = _LINEAR | _ADDED | _FUSED | _CURVES | _JOINED | _OWN | {_NORM}


class Int8Weight(nn.Module):
    """Parametrization of a weight below its mask: fake-quantized while `active`."""

    def __init__(self, owner: nn.Module) -> None:
        super().__init__()
        self.owner = (owner,)
        self.active = False

    def forward(self, weight: Tensor) -> Tensor:
        if not self.active:
            return weight
        return int8_weight(weight * self.owner[0].get_buffer("weight_mask"))


def int8_weight(weight: Tensor) -> Tensor:
    """`weight` (outputs, ...) rounded to 255 values per output, the largest exactly kept; gradient straight through."""
    with torch.no_grad():
        scale = (weight.flatten(1).abs().amax(1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        zero = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -127, 127)


class Activations:
    """Ranges of a network's input (place 0) and tensors, and their rounding while `active`.

    Places are counted in the order of calls, which must be the same at every forward pass. The ranges are buffers of
    the network itself (a module of their own would become a layer of an nn.Sequential), so its state_dict has them."""

    def __init__(self, net: nn.Module, example: Tensor) -> None:
        self.net = net
        self.rounded = rounded_places(trace(net, example))
        places = 1 + len(self.rounded)
        net.register_buffer(_LOW, torch.zeros(places))
        net.register_buffer(_HIGH, torch.zeros(places))
        net.register_buffer(_SEEN, torch.zeros(places, dtype=torch.bool))
        self.handles = [
            net.register_forward_pre_hook(self._enter),
            net.register_forward_hook(self._leave, always_call=True),
        ]
        self.active = False
        self.mode: _Rounding | None = None

    @property
    def ranges(self) -> tuple[Tensor, Tensor]:
        """(low, high), float32 (places,), 0 included."""
        return self.net.get_buffer(_LOW).clamp(max=0.0), self.net.get_buffer(_HIGH).clamp(min=0.0)

    def detach(self) -> None:
        """Leave the network as it was."""
        for handle in self.handles:
            handle.remove()
        for name in (_LOW, _HIGH, _SEEN):
            delattr(self.net, name)

    def fake(self, place: int, value: Tensor) -> Tensor:
        """`value` rounded to the type of `place`; its range is observed first in training mode."""
        if self.net.training:
            self._observe(place, value.detach())
        low, high = (bound[place] for bound in self.ranges)
        scale = ((high - low) / 255).clamp(min=1e-12)
        zero = (-128 - low / scale).round().clamp(-128, 127).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(value, scale, zero, -128, 127)

    def _observe(self, place: int, value: Tensor) -> None:
        seen = self.net.get_buffer(_SEEN)
        share = torch.where(seen[place], MOMENTUM, 1.0)
        self.net.get_buffer(_LOW)[place].lerp_(value.min(), share)
        self.net.get_buffer(_HIGH)[place].lerp_(value.max(), share)
        seen[place] = True

    def _enter(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not self.active:
            return None
        x = self.fake(0, inputs[0])
        self.mode = _Rounding(self, x)
        self.mode.__enter__()
        return (x, *inputs[1:])

    def _leave(self, net: nn.Module, inputs: Any, output: Any) -> None:
        if self.mode is not None:
            self.mode.__exit__(None, None, None)
            self.mode = None


class _Rounding(TorchFunctionMode):
    """Rounds the results of one forward pass."""

    def __init__(self, activations: Activations, x: Tensor) -> None:
        super().__init__()
        self.activations = activations
        self.data = Data(x)
        self.place = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        data = self.data.follow((args, tuple((kwargs or {}).values())), result)
        if not is_place(name_of(func, args, kwargs or {}, result), result, data):
            return result
        self.place += 1
        rounded = self.activations.rounded[self.place - 1]
        if rounded:
            result = self.activations.fake(self.place, result)
            self.data.add(result)
        return result


def is_place(name: str, result: Any, data: bool) -> bool:
    """Whether a call may need rounding: one that computes images or vectors from the network's input."""
    return data and name in _PLACES and isinstance(result, Tensor) and result.ndim >= 2


def rounded_places(calls: Iterable[Call]) -> tuple[bool, ...]:
    """For every place (see `is_place`), whether the compiler has a tensor there: not before the batch norm or the
    ReLU that it fuses."""
    calls = list(calls)
    readers: dict[int, list[Call]] = {i: [] for i in range(len(calls))}
    for call in calls:
        for source in set(call.inputs):
            if source in readers:
                readers[source].append(call)
    return tuple(
        _has_tensor(call, readers[i], calls)
        for i, call in enumerate(calls)
        if call.data and call.name in _PLACES and call.ndim >= 2
    )


def _has_tensor(call: Call, readers: list[Call], calls: list[Call]) -> bool:
    follower = readers[0].name if len(readers) == 1 else ""
    if follower in _JOINED:
        return False
    if call.name in _FUSED - _CURVES:
        return any(source != OUTSIDE and calls[source].name in _FUSING for source in call.inputs)
    return not (call.name in _FUSING and (follower in _FUSED or (call.name in _LINEAR and follower == _NORM)))
