"""Whole channels, with everything that depends on them; found, and at the end removed, by torch-pruning.

A unit is one output channel of a Linear or Conv layer together with what goes with it: the same channel of layers
coupled by an addition or a depthwise convolution, batch norm's weight and bias, the inputs of the layers behind.
While training all of these are masked, so a pruned channel contributes exactly nothing; then it is taken away.
Source of the dependencies: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from cpcc.errors import ModelError, ToolMissingError
from cpcc.prune import masks as masking
from cpcc.prune.masks import Slot, Tensors
from cpcc.prune.structures.base import Structure

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True, eq=False)
class Member:
    """Places `index` (k,) int64 along `axis` of the parameter `key`."""

    key: str
    axis: int
    index: Tensor

    def of(self, values: Mapping[str, Tensor]) -> Tensor:
        return values[self.key].index_select(self.axis, self.index)


@dataclass(frozen=True, eq=False)
class Unit:
    """What goes with output channel `channel` of the layer called `layer`; the first member is that layer's weight."""

    layer: str
    channel: int
    members: tuple[Member, ...]

    def score(self, scores: Mapping[str, Tensor]) -> Tensor:
        """Sum of the members' scores over their number."""
        parts = [member.of(scores) for member in self.members]
        return torch.stack([part.sum() for part in parts]).sum() / sum(part.numel() for part in parts)

    def alive(self, masks: Mapping[str, Tensor]) -> bool:
        """The layer's own weights tell: coupled channels share their fate, and its inputs never all go."""
        return bool(self.members[0].of(masks).any())

    def clear(self, masks: Mapping[str, Tensor]) -> None:
        for member in self.members:
            masks[member.key].index_fill_(member.axis, member.index, False)


class Channels(Structure):
    """Whole channels. The fraction counts parameters, of all layers' weights, biases and batch norms but the output
    layer's bias: the masks nearest to it are taken. The floor is the channels that a layer keeps, at least one.

    ToolMissingError without torch-pruning; ModelError for a network whose channels cannot be removed."""

    def __init__(self, net: nn.Module, example: Tensor, biases: bool) -> None:
        super().__init__(net, example, biases)
        self.units = _units(net, example)
        self._rehearse(net)

    def attach(self, net: nn.Module) -> list[Slot]:
        """Also biases and batch norms of channels have masks: of a pruned channel nothing may be left."""
        found = masking.attach(net, self.example, biases=False)
        known = {slot.key for slot in found}
        for key in sorted({member.key for unit in self.units for member in unit.members} - known):
            path, _, name = key.rpartition(".")
            module = net.get_submodule(path)
            prune.custom_from_mask(module, name, torch.ones_like(module.get_parameter(name)))
            found.append(Slot(module, name, key))
        return found

    def tighten(
        self, scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], fraction: float, scope: str, floor: int
    ) -> Tensors:
        """`masks.tighten` on one score per channel, with the share of channels whose masks keep the fraction of
        parameters most nearly. The new masks are on the CPU."""
        scores, masks = ({key: each.cpu() for key, each in given.items()} for given in (scores, masks))
        units = [unit for unit in self.units if unit.alive(masks)]
        rows = self._rows()
        score = {layer: torch.zeros(1, len(units_)) for layer, units_ in rows.items()}
        alive = {layer: torch.zeros(1, len(units_), dtype=torch.bool) for layer, units_ in rows.items()}
        for unit in units:
            score[unit.layer][0, rows[unit.layer][unit.channel]] = unit.score(scores)
            alive[unit.layer][0, rows[unit.layer][unit.channel]] = True

        def masks_at(share: float) -> Tensors:
            kept = masking.tighten(score, alive, share, scope, max(floor, 1))
            return self._without(masks, [u for u in units if not kept[u.layer][0, rows[u.layer][u.channel]]])

        return _nearest(masks_at, fraction, steps=len(units).bit_length() + 2)

    def shrink(self, net: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
        """`net` without the channels that are masked; the same outputs but for the order of float sums."""
        return self._remove(net, [unit for unit in self.units if not unit.alive(masks)])

    def _rows(self) -> dict[str, dict[int, int]]:
        """Place of every unit among those of its layer, by layer and channel."""
        rows: dict[str, dict[int, int]] = defaultdict(dict)
        for unit in self.units:
            rows[unit.layer][unit.channel] = len(rows[unit.layer])
        return rows

    @staticmethod
    def _without(masks: Mapping[str, Tensor], units: list[Unit]) -> Tensors:
        new = {key: mask.clone() for key, mask in masks.items()}
        for unit in units:
            unit.clear(new)
        return new

    def _remove(self, net: nn.Module, units: list[Unit]) -> nn.Module:
        by_layer: dict[str, list[int]] = defaultdict(list)
        for unit in units:
            by_layer[unit.layer].append(unit.channel)
        if not by_layer:
            return net
        graph = _dependencies(net, self.example)
        for layer, channels in by_layer.items():
            _group(graph, net.get_submodule(layer), channels).prune()
        for parameter in net.parameters():
            parameter.grad = None
        return net.eval()

    def _rehearse(self, net: nn.Module) -> None:
        """Remove a channel of every layer from a copy, lest this fail after hours of training."""
        first = [unit for unit in self.units if unit.channel == 0 and len(self._rows()[unit.layer]) > 1]
        smaller = self._remove(copy.deepcopy(net), first)
        try:
            with torch.no_grad():
                smaller(self.example)
        except RuntimeError as error:
            words = " ".join(str(error).split())[:120]
            raise ModelError(
                f"network: does not run with fewer channels ({words}); "
                "let it flatten with torch.flatten(x, 1) instead of a fixed size, or use another structure"
            ) from error


def _nearest(masks_at: Callable[[float], Tensors], fraction: float, steps: int) -> Tensors:
    """By bisection, the masks whose remaining fraction of parameters is nearest: fewer channels, fewer parameters."""
    low, high = 0.0, 1.0
    best = masks_at(high)
    for _ in range(steps):
        middle = (low + high) / 2
        found = masks_at(middle)
        left = masking.remaining(found)
        if abs(left - fraction) < abs(masking.remaining(best) - fraction):
            best = found
        low, high = (middle, high) if left < fraction else (low, middle)
    return best


# --- torch-pruning ------------------------------------------------------------------------------------------


def _torch_pruning() -> Any:
    try:
        import torch_pruning
    except ImportError as error:
        raise ToolMissingError(
            "structure channel: torch-pruning is not installed; pip install 'cpcc[channels]'"
        ) from error
    return torch_pruning


def _dependencies(net: nn.Module, example: Tensor) -> Any:
    """The dependency graph of a network; torch-pruning follows gradients, so all parameters need them."""
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    return _torch_pruning().DependencyGraph().build_dependency(net.eval(), example_inputs=example)


def _group(graph: Any, layer: nn.Module, channels: list[int]) -> Any:
    return graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, idxs=channels)


def _units(net: nn.Module, example: Tensor) -> list[Unit]:
    """Every channel that can go, once. The output layer's stay, and those that are added to them."""
    net = copy.deepcopy(net)
    _check_layers(net)
    layers = masking.slots(net, example, biases=False)
    graph = _dependencies(net, example)
    names = {module: path for path, module in net.named_modules()}
    output = masking.output_layer(net, example)
    units: list[Unit] = []
    seen: set[tuple[str, int]] = set()
    for slot in layers:
        for channel in range(slot.module.get_parameter("weight").shape[0]):
            if (names[slot.module], channel) in seen:
                continue
            group = _group(graph, slot.module, [channel])
            outputs = {
                (names[dep.target.module], i)
                for dep, places in group
                if graph.is_out_channel_pruning_fn(dep.handler) and dep.target.module in names
                for i in places
            }
            seen |= outputs
            if output is not None and any(name == names[output] for name, _ in outputs):
                continue
            units.append(Unit(names[slot.module], channel, _members(graph, group, names)))
    if not units:
        raise ModelError("network: no channel can be removed; it needs a hidden Linear or Conv layer")
    return units


def _members(graph: Any, group: Any, names: Mapping[nn.Module, str]) -> tuple[Member, ...]:
    members = []
    for dep, places in group:
        module = dep.target.module
        if module not in names:
            continue  # torch-pruning's stand-ins for functions
        index = torch.tensor(places, dtype=torch.int64)
        out = graph.is_out_channel_pruning_fn(dep.handler)
        depthwise = isinstance(module, (nn.Conv1d, nn.Conv2d)) and module.groups > 1
        axis = 0 if out or depthwise or isinstance(module, _NORMS) else 1
        for name in ("weight", "bias") if axis == 0 else ("weight",):
            if isinstance(getattr(module, name, None), nn.Parameter):
                members.append(Member(f"{names[module]}.{name}", axis, index))
    return tuple(members)


def _check_layers(net: nn.Module) -> None:
    """Layers whose channels do not stand alone: removing one would change the others."""
    for path, module in net.named_modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d)) and 1 < module.groups < module.out_channels:
            raise ModelError(f"{path}: {module.groups} groups; structure channel takes 1 group or depthwise layers")
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm, nn.RNNBase, nn.MultiheadAttention)):
            kind = type(module).__name__
            raise ModelError(f"{path} ({kind}): its channels depend on each other; use another structure")
