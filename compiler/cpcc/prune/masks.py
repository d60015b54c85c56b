"""Masks on the parameters of Linear and Conv layers, kept by torch.nn.utils.prune.

A parameter is addressed by its state_dict name, for example `3.weight`. While masked, a layer holds
`weight_orig` and `weight_mask` and computes with their product, so masked weights have gradient 0. All
weights are prunable, and all biases but that of the output layer: without it no threshold can be learnt.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from cpcc.errors import ModelError

SCOPES = ("global", "layer", "erk")
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Slot:
    """One prunable parameter: the module that holds it, its name there, and its full name."""

    module: nn.Module
    name: str
    key: str

    @property
    def mask(self) -> Tensor:
        return self.module.get_buffer(f"{self.name}_mask")

    @property
    def parameter(self) -> nn.Parameter:
        """What is trained: the parameter below its mask and parametrizations."""
        name = f"{self.name}_orig"
        if parametrize.is_parametrized(self.module, name):
            return self.module.get_parameter(f"parametrizations.{name}.original")
        return self.module.get_parameter(name)

    @property
    def value(self) -> Tensor:
        """`parameter`, detached."""
        return self.parameter.detach()

    def gradient(self) -> Tensor:
        """Of the last backward passes; zeros where none reached it."""
        grad = self.parameter.grad
        return torch.zeros_like(self.value) if grad is None else grad.detach()


def slots(net: nn.Module, example: Tensor, biases: bool = True) -> list[Slot]:
    """Prunable parameters of an unmasked network; `example` (n, ...) finds the output layer. Without `biases` only
    weights.

    ModelError when there is none.
    """
    output = output_layer(net, example)
    found = []
    for path, module in net.named_modules():
        if isinstance(module, LAYERS):
            bare = not biases or module is output or module.bias is None
            names = ["weight"] if bare else ["weight", "bias"]
            found += [Slot(module, name, f"{path}.{name}".lstrip(".")) for name in names]
    if not found:
        raise ModelError("network: nothing to prune; it needs Linear or Conv layers")
    return found


def output_layer(net: nn.Module, example: Tensor) -> nn.Module | None:
    """The Linear or Conv layer that ran last."""
    ran: list[nn.Module] = []
    layers = [module for module in net.modules() if isinstance(module, LAYERS)]
    hooks = [layer.register_forward_hook(lambda module, *_: ran.append(module)) for layer in layers]
    with torch.no_grad():
        net.eval()(example)
    for hook in hooks:
        hook.remove()
    return ran[-1] if ran else None


def attach(net: nn.Module, example: Tensor, biases: bool = True) -> list[Slot]:
    """Give every prunable parameter (see `slots`) a mask of ones."""
    found = slots(net, example, biases)
    for slot in found:
        parameter = slot.module.get_parameter(slot.name)
        prune.custom_from_mask(slot.module, slot.name, torch.ones_like(parameter))
    return found


def set_masks(found: list[Slot], masks: Mapping[str, Tensor]) -> None:
    for slot in found:
        slot.mask.copy_(masks[slot.key])


def get_masks(found: list[Slot]) -> Tensors:
    """Copies of the masks as bool tensors."""
    return {slot.key: slot.mask.bool() for slot in found}


def remaining(masks: Mapping[str, Tensor]) -> float:
    """Fraction of the prunable parameters that is left."""
    return sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())


def finalize(net: nn.Module, found: list[Slot]) -> nn.Module:
    """Make the masks permanent: plain parameters again, pruned ones +0.0. The network goes to eval mode."""
    for slot in found:
        mask = slot.mask.bool()
        prune.remove(slot.module, slot.name)
        with torch.no_grad():
            slot.module.get_parameter(slot.name).masked_fill_(~mask, 0.0)
    return net.eval()


def tighten(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], fraction: float, scope: str, floor: int
) -> Tensors:
    """New masks that keep `fraction` of all parameters, the highest scores; none comes back.

    "layer" cuts every parameter tensor to the fraction; "erk" to a fraction that is larger for small tensors
    (`erk_fractions`); "global" makes one cut after dividing each tensor's scores by their mean size, so that
    layers of small weights do not vanish. Every output (row) of a weight keeps its best `floor` weights, so that
    no layer dies; where that would take more than half of what remains and leave the scores no say, its best one.
    This floor goes before the fraction.
    """
    if scope != "global":
        shares = dict.fromkeys(masks, fraction) if scope == "layer" else erk_fractions(masks, fraction)
        return {key: _cut([scores[key]], [masks[key]], shares[key], floor)[0] for key in masks}
    keys = list(masks)
    scaled = [_scaled(scores[key], masks[key]) for key in keys]
    return dict(zip(keys, _cut(scaled, [masks[key] for key in keys], fraction, floor)))


def erk_fractions(masks: Mapping[str, Tensor], fraction: float) -> dict[str, float]:
    """Share of each tensor to keep, proportional to sum(shape) / prod(shape) and at most 1, together `fraction`.

    Source: Evci et al., "Rigging the Lottery", ICML 2020 (Erdos-Renyi-Kernel)."""
    raw = {key: sum(mask.shape) / mask.numel() for key, mask in masks.items()}
    total = fraction * sum(mask.numel() for mask in masks.values())
    full: set[str] = set()
    while True:
        rest = [key for key in masks if key not in full]
        left = total - sum(masks[key].numel() for key in full)
        factor = max(left, 0.0) / max(sum(raw[key] * masks[key].numel() for key in rest), 1e-12)
        over = {key for key in rest if raw[key] * factor > 1}
        if not over:
            return {key: 1.0 if key in full else raw[key] * factor for key in masks}
        full |= over


def _scaled(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores over the mean size of those still alive (unchanged where that is 0)."""
    alive = scores[mask].abs()
    mean = float(alive.mean()) if len(alive) else 0.0
    return scores / mean if mean > 0 else scores


def _cut(scores: list[Tensor], masks: list[Tensor], fraction: float, floor: int) -> list[Tensor]:
    """Keep the best round(fraction * all) parameters of several tensors, locked ones first."""
    alive = torch.cat([mask.flatten() for mask in masks])
    locked = _all_locked(scores, masks, floor)
    if floor > 1 and 2 * int(locked.sum()) > fraction * len(locked):
        locked = _all_locked(scores, masks, floor=1)
    values = torch.cat([s.flatten() for s in scores]).masked_fill(locked, torch.inf)
    values = values.masked_fill(~alive, -torch.inf)
    budget = min(max(round(fraction * len(values)), int(locked.sum())), int(alive.sum()))
    keep = torch.zeros_like(alive)
    keep[torch.argsort(values, descending=True, stable=True)[:budget]] = True
    parts = keep.split([mask.numel() for mask in masks])
    return [part.reshape(mask.shape) for part, mask in zip(parts, masks)]


def _all_locked(scores: list[Tensor], masks: list[Tensor], floor: int) -> Tensor:
    """`_locked` of several tensors, flat."""
    return torch.cat([_locked(s, m, floor).flatten() for s, m in zip(scores, masks)])


def _locked(scores: Tensor, mask: Tensor, floor: int) -> Tensor:
    """The best `floor` living weights of each output; biases (one axis) have no floor."""
    if scores.ndim < 2 or not floor:
        return torch.zeros_like(mask)
    rows = scores.masked_fill(~mask, -torch.inf).flatten(1)
    best = torch.argsort(rows, dim=1, descending=True, stable=True)[:, :floor]
    locked = torch.zeros_like(rows, dtype=torch.bool).scatter_(1, best, True)
    return locked.reshape(mask.shape) & mask
