"""Blocks, channels, weights of few levels and int8 fine-tuning: what may be said of their weights, exactly."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cpcc.errors import ModelError, ToolMissingError, UsageError
from cpcc.graph import Int8
from cpcc.ops.requantized import quantize_affine
from cpcc.prune import ClassDependentPruner, PruneSettings, TensorBatches
from cpcc.prune import masks as masking
from cpcc.prune.batches import Whole
from cpcc.prune.levels import LEVELS, few_levels
from cpcc.prune.qat import int8_weight, rounded_places
from cpcc.prune.structures import STRUCTURES
from cpcc.prune.structures.blocks import Layout, layouts
from cpcc.prune.tracing import trace

IMAGE = torch.zeros(1, 2, 6, 6)
QUICK = PruneSettings(epochs=2, epochs_later=1, keep=0.4, max_fn_increase=1, max_fpr_increase=1.0, fn_cost=1.0)


class Small(nn.Module):
    """Batch norm, a residual addition, a depthwise layer, a flattened image, functions that are no modules."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.depthwise, self.point = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.Conv2d(6, 6, 1)
        self.hidden, self.out = nn.Linear(24, 5), nn.Linear(5, 1)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        x = F.relu(x + self.point(self.depthwise(x)))
        x = torch.flatten(F.adaptive_avg_pool2d(x, 2), 1)
        return self.out(F.relu(self.hidden(x)))


def small(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Small().eval()
        net.norm.running_mean.normal_()
        net.norm.running_var.uniform_(0.5, 2)
        return net


def samples(n=64):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    return torch.randn(n, 2, 6, 6, generator=generator) + labels[:, None, None, None], labels


def run(chosen, **options):
    x, labels = samples()
    sides = TensorBatches(x, labels, 16), Whole(x, labels)
    return ClassDependentPruner(small(), *sides, chosen, **options)


def random_scores(masks, seed):
    generator = torch.Generator().manual_seed(seed)
    # coarse, so that many are equal
    return {key: torch.randint(0, 4, mask.shape, generator=generator).float() for key, mask in masks.items()}


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(masking.SCOPES), st.integers(0, 3), st.integers(0, 99), st.sampled_from(sorted(STRUCTURES)))
def test_masks_only_lose_weights_in_every_structure(scope, floor, seed, name):
    structure = STRUCTURES[name](small(), IMAGE, False)
    slots = structure.attach(small())
    masks = masking.get_masks(slots)
    for fraction in (0.6, 0.3, 0.05):
        scores = random_scores(masks, seed)
        tighter = structure.tighten(scores, masks, fraction, scope, floor)
        again = structure.tighten(scores, masks, fraction, scope, floor)
        for key in masks:
            assert (masks[key] | ~tighter[key]).all()
            assert torch.equal(tighter[key], again[key])
        if floor:
            assert all(mask.any() for key, mask in tighter.items() if key.endswith("weight"))
        masks = tighter


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(masking.SCOPES), st.integers(0, 99))
def test_blocks_are_kept_or_pruned_as_a_whole(scope, seed):
    structure = STRUCTURES["block4"](small(), IMAGE, False)
    masks = masking.get_masks(structure.attach(small()))
    for fraction in (0.5, 0.2):
        masks = structure.tighten(random_scores(masks, seed), masks, fraction, scope, floor=0)
        assert abs(masking.remaining(masks) * 436 - fraction * 436) <= 3 * (1 if scope == "global" else len(masks)) + 3
        point = masks["point.weight"][:, :, 0, 0]
        hidden = masks["hidden.weight"].reshape(5, 6, 4).transpose(1, 2).reshape(5, 24)  # as the compiler's (h, w, c)
        for block in (point[:, :4], point[:, 4:], *hidden.split(4, 1), masks["out.weight"][:, :4]):
            assert (block.all(1) | ~block.any(1)).all()


def test_blocks_of_sixteen():
    """A whole vector and a shorter block at each tap's end."""
    net = nn.Conv2d(20, 3, 2)
    structure = STRUCTURES["block16"](net, torch.zeros(1, 20, 3, 3), False)
    masks = masking.get_masks(structure.attach(net))
    masks = structure.tighten(random_scores(masks, 1), masks, 0.5, "global", floor=0)
    (kept,) = masks.values()
    assert 0 < kept.sum() < kept.numel()
    for block in (kept[:, :16], kept[:, 16:]):
        assert (block.all(1) | ~block.any(1)).all()
    assert (kept[:, 0] != kept[:, 16]).any()


def test_layouts_follow_the_compilers_order():
    found = layouts(small(), IMAGE, 4)
    assert found["hidden.weight"].order[:8].tolist() == [0, 4, 8, 12, 16, 20, 1, 5]
    assert found["out.weight"].order.tolist() == list(range(5))
    assert found["depthwise.weight"].block.tolist() == list(range(9))
    layout = Layout.convolution(6, 2, 4)
    assert layout.order.tolist() == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]
    assert layout.block.tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3]
    values = torch.rand(3, 12)
    assert torch.equal(layout.unpack(layout.pack(values), values.shape), values)


@pytest.mark.parametrize("scope", masking.SCOPES)
def test_removing_channels_equals_masking_them(scope):
    structure = STRUCTURES["channel"](small(), IMAGE, False)
    net = small()
    slots = structure.attach(net)
    masks = structure.tighten(random_scores(masking.get_masks(slots), 3), masking.get_masks(slots), 0.4, scope, 1)
    masking.set_masks(slots, masks)
    x = samples()[0].double()
    masked = masking.finalize(net, slots).double()
    wanted = masked(x).detach()
    before = sum(p.numel() for p in masked.parameters())
    smaller = structure.shrink(masked.float(), masks).double()
    assert sum(p.numel() for p in smaller.parameters()) == sum(int(m.sum()) for m in masks.values()) + 1 < before
    assert smaller.first.out_channels == smaller.point.out_channels == smaller.depthwise.groups < 6
    # float64 sums of at most 54 products in another order: an error of about 54 * 2**-53 of the sums' size
    torch.testing.assert_close(smaller(x), wanted, rtol=1e-12, atol=1e-12)


def test_a_masked_channel_is_exactly_nothing():
    structure = STRUCTURES["channel"](small(), IMAGE, False)
    net = small()
    slots = structure.attach(net)
    old = masking.get_masks(slots)
    masks = structure.tighten(random_scores(old, 1), old, 0.3, "layer", 1)
    masking.set_masks(slots, masks)
    seen = []
    net.norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    net(samples()[0])
    dead = ~masks["first.bias"]
    assert dead.any() and (seen[0][:, dead] == 0).all()
    assert torch.equal(masks["norm.weight"], ~dead) and torch.equal(masks["norm.bias"], ~dead)


def test_channels_that_cannot_be_removed_are_named(monkeypatch):
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(2, 4, 3), nn.Linear(64, 1)

        def forward(self, x):
            return self.out(self.conv(x).view(-1, 64))

    grouped = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Flatten(), nn.Linear(64, 1))
    with pytest.raises(ModelError, match="0: 2 groups"):
        STRUCTURES["channel"](grouped, IMAGE, False)
    with pytest.raises(ModelError, match="no channel can be removed"):
        STRUCTURES["channel"](nn.Sequential(nn.Flatten(), nn.Linear(72, 1)), IMAGE, False)
    with pytest.raises(ModelError, match="flatten"):
        STRUCTURES["channel"](Fixed(), IMAGE, False)
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(ToolMissingError, match=r"cpcc\[channels\]"):
        STRUCTURES["channel"](small(), IMAGE, False)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(LEVELS.values())), st.integers(0, 999), st.floats(1e-20, 1e20))
def test_few_levels_are_exact_multiples(largest, seed, spread):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 3, 2, 2, generator=generator) * spread
    mask = (torch.rand(weight.shape, generator=generator) < 0.6).float()
    mask[4] = 0
    found = few_levels(weight, mask, largest).double().flatten(1)
    assert (found[mask.flatten(1) == 0] == 0).all() and not torch.signbit(found[found == 0]).any()
    for row in found[:4]:
        assert_few(row, largest)


def test_the_compiler_keeps_few_levels_exactly():
    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(2))
    for largest in LEVELS.values():
        found = few_levels(weight, torch.ones_like(weight), largest).numpy()
        w8, _ = quantize_affine(found, np.zeros(6, np.float32), Int8(0.1, 3), Int8(0.2, 0), False)
        ratio = w8.astype(np.float64) / np.where(found == 0, 1, found)
        steps = ratio.max(1, keepdims=True)
        np.testing.assert_allclose(w8, found * steps, rtol=1e-7)


def assert_few(row, largest):
    """All values are whole multiples, of at most `largest`, of one number, with no rounding at all."""
    sizes = np.unique(np.abs(row.numpy()[row.numpy() != 0]))
    if not len(sizes):
        return
    scales = [sizes[0] / k for k in range(1, largest + 1)]
    assert any(all(s / scale == round(s / scale) <= largest for s in sizes) for scale in scales), sizes


def test_few_levels_pass_gradients_straight_through_and_lessen_the_error():
    weight = torch.randn(4, 200, generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(weight)
    errors = [float((few_levels(weight, mask, k) - weight).square().mean()) for k in (1, 3, 7)]
    assert errors[0] < 0.25 and errors[1] < 0.06 and errors[2] < 0.02  # near Max's .19, .044, .012 of the variance


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("weights", ["float", "3bit"])
def test_pruned_weights_are_exactly_zero_and_the_constrained_mode_runs(structure, weights):
    chosen = replace(QUICK, structure=structure, weights=weights, qat=weights == "float", scope="global")
    if structure == "block16":  # two blocks of sixteen are more than that of these short rows
        chosen = replace(chosen, floor=0)
    result = run(chosen).run()
    assert len(result.iterations) == len(chosen.rounds)
    assert result.iterations[-1].within_budget and result.iterations[-1].remaining == pytest.approx(0.4, abs=0.05)
    names = {type(module).__module__.partition(".")[0] for module in result.pruned.modules()}
    assert names == {"torch", Small.__module__} and not list(result.pruned.buffers())[3:]
    layers = [m for m in result.pruned.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    if structure != "channel":
        zeros = sum(int((m.weight == 0).sum()) for m in layers)
        total = sum(m.weight.numel() for m in layers)
        assert zeros / total >= 1 - result.iterations[-1].remaining - 1e-9
    if weights == "3bit":
        assert all(assert_few(row.detach().double().flatten(), 3) is None for m in layers for row in m.weight)
    torch.export.export(result.pruned, (IMAGE,))


class Killed(Exception):
    pass


@pytest.mark.parametrize(
    "change", [{"weights": "ternary"}, {"qat": True}, {"structure": "channel"}, {"weights": "4bit", "qat": True}]
)
def test_resuming_is_bit_equal(tmp_path, change, monkeypatch):
    chosen = replace(QUICK, epochs_later=2, **change)
    whole = run(chosen, run_dir=tmp_path / "a", checkpoint_seconds=0).run()
    last = len(chosen.rounds) - 1
    pruner = run(chosen, run_dir=tmp_path / "b", checkpoint_seconds=0)
    save = pruner._save

    def killed_after_saving():
        save()
        if pruner.state.index == last and pruner.state.training is not None:
            raise Killed

    monkeypatch.setattr(pruner, "_save", killed_after_saving)
    with pytest.raises(Killed):
        pruner.run()
    resumed = run(chosen, run_dir=tmp_path / "b", resume=True, checkpoint_seconds=0).run()
    assert resumed.iterations == whole.iterations
    for name, value in whole.pruned.state_dict().items():
        assert torch.equal(resumed.pruned.state_dict()[name], value), name


def test_places_of_int8_tensors():
    net = small()
    # conv, batch norm + relu, depthwise, pointwise, addition + relu, hidden + relu, out; pooling keeps its type
    wanted = (False, False, True, True, True, False, True, False, True, True)
    assert rounded_places(trace(net, IMAGE)) == wanted


def test_int8_rounding_is_the_compilers():
    weight = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    weight[2] = 0
    scale = weight.abs().amax(1, keepdim=True).double().clamp(min=1e-30) / 127
    wanted = (weight.double() / scale).round() * scale
    torch.testing.assert_close(int8_weight(weight).double(), wanted, rtol=1e-6, atol=1e-7)
    pruner = run(replace(QUICK, keep=1.0, qat=True))
    pruner.equipment.enter(pruner.settings.rounds[-1])
    pruner.net.train()(samples()[0])
    activations = pruner.equipment.activations
    low, high = activations.ranges
    used = (high > low).tolist()
    assert used == [True, *activations.rounded]
    answers = pruner.net.eval()(samples()[0])
    low, high = activations.ranges
    step = float(high[-1] - low[-1]) / 255
    levels = answers.detach() / step
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    pruner.equipment.leave_int8()
    assert not torch.equal(pruner.net(samples()[0]), answers)


def test_int8_fine_tuning_of_a_sequential_network():
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.ReLU(), nn.Linear(4, 1))
    x, labels = samples()
    chosen = replace(QUICK, keep=1.0, qat=True)
    result = ClassDependentPruner(net, TensorBatches(x, labels, 16), Whole(x, labels), chosen).run()
    assert len(result.iterations) == 2 and result.pruned.state_dict().keys() == net.state_dict().keys()


@pytest.mark.parametrize("wrong", [{"structure": "rows"}, {"weights": "2bit"}])
def test_settings_out_of_range(wrong):
    with pytest.raises(UsageError):
        PruneSettings(**wrong)
