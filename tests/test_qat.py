"""Int8 fine-tuning computes what the compiled network will: on residual, branching, gated and ReLU6 networks too."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from cpcc.detector import to_channels_last
from cpcc.frontends.torch_export import to_graph
from cpcc.graph import Float32, validate
from cpcc.models.exporting import export_module
from cpcc.prune.batches import TensorBatches, Whole
from cpcc.prune.equipment import Equipment, equip
from cpcc.prune.pruner import ClassDependentPruner
from cpcc.prune.qat import rounded_places
from cpcc.prune.settings import PruneSettings
from cpcc.prune.structures import STRUCTURES
from cpcc.prune.tracing import trace
from cpcc.quant.widths import keeps_type
from cpcc.quantize import calibrate, quantize_graph, run_int8
from test_zoo import with_statistics
from zoo import ZOO


def fine_tuned(net: nn.Module, x: Tensor) -> Equipment:
    """`net` as the last round computes it, its ranges those of `x` in float."""
    equipment = equip(net, x, STRUCTURES["unstructured"](net, x, False), PruneSettings(qat=True))
    activations = equipment.activations
    assert activations is not None
    activations.active = True
    rounding = activations.fake

    def observe(place: int, value: Tensor) -> Tensor:
        activations._observe(place, value)
        return value.clone()

    activations.fake = observe  # type: ignore[method-assign]
    net(x)
    activations.fake = rounding  # type: ignore[method-assign]
    for weight in equipment.weights:
        weight.active = True
    return equipment


# What is left is values that lie between two steps: float32 sums decide otherwise than integers. It adds up in deep networks.
@pytest.mark.parametrize(
    ("name", "share"), [("squeeze_excite", 0.4), ("inception", 0.5), ("autoencoder", 0.5), ("resnet8", 0.8)]
)
def test_it_computes_what_the_compiler_will(name: str, share: float) -> None:
    """The root mean square difference from the integer network, against that of the float network."""
    torch.manual_seed(1)
    entry = ZOO[name]
    net = with_statistics(entry.build(entry.small, entry.outputs), entry.small)
    x = torch.randn(24, *entry.small)
    graph = validate(to_graph(export_module(net, entry.small), "t"), Float32)
    samples = np.ascontiguousarray(to_channels_last(x.double().numpy()))
    int8 = quantize_graph(graph, calibrate(graph, samples))
    compiled = int8.output.integer.dequantize(run_int8(int8, int8.input.integer.quantize(samples))).reshape(24, -1)
    with torch.no_grad():
        floats = net(x).reshape(24, -1).numpy()
        tuned = copy.deepcopy(net)
        fine_tuned(tuned, x)
        rounded = tuned.eval()(x).reshape(24, -1).numpy()
    errors = [float(np.sqrt(((each - compiled) ** 2).mean())) for each in (rounded, floats)]
    assert errors[0] < share * errors[1], errors


@pytest.mark.parametrize("name", ["mobilenet_v2", "squeeze_excite", "resnet8"])
def test_it_rounds_where_the_compiler_has_a_tensor(name: str) -> None:
    entry = ZOO[name]
    net = with_statistics(entry.build(entry.small, entry.outputs), entry.small)
    graph = validate(to_graph(export_module(net, entry.small), "t"), Float32)
    own = sum(not keeps_type(node) for node in graph.nodes)
    assert sum(rounded_places(trace(net, torch.randn(2, *entry.small)))) == own


def test_a_branching_network_keeps_its_masks() -> None:
    """One call: pruned to a third, fine-tuned at the final masks, exported plain."""
    torch.manual_seed(0)
    shape = ZOO["inception"].small
    net = ZOO["inception"].build(shape, 1)
    x = torch.randn(48, *shape)
    y = (x.mean(dim=(1, 2, 3)) > 0).long()
    settings = PruneSettings(keep=0.33, epochs=1, epochs_later=1, step=0.7, qat=True, batch_size=16)
    result = ClassDependentPruner(net, TensorBatches(x, y, 16), Whole(x, y), settings).run()
    weights = [m.weight for m in result.pruned.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    kept = sum(int((w != 0).sum()) for w in weights) / sum(w.numel() for w in weights)
    assert kept <= result.iterations[-1].remaining + 1e-6
    assert result.pruned.state_dict().keys() == net.state_dict().keys()
