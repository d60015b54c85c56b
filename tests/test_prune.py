"""Masks, schedule and the whole pruning loop."""

import itertools
import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

from cpcc.data import make_dataset, split
from cpcc.errors import DataError, ModelError, UsageError
from cpcc.metrics import auc
from cpcc.nets import load_net
from cpcc.prune import ImportantClass, PruneSettings, masks, prune_network
from cpcc.prune import pruner as pruner_module
from cpcc.prune.api import scores
from cpcc.prune.baselines import class_blind
from cpcc.prune.schedule import cubic, geometric, one_shot
from cpcc.prune.scores import SCORES

QUICK = {"epochs": 6, "epochs_later": 3, "keep": 0.1}


@pytest.fixture(scope="module")
def cancer():
    data = load_breast_cancer()
    return make_dataset(data.data.astype(np.float32), 1 - data.target)


def blobs(classes=2, samples=300, features=6, seed=0):
    random = np.random.default_rng(seed)
    y = np.arange(samples) % classes
    x = random.normal(size=(samples, features)) + 2 * np.eye(features)[y]
    return make_dataset(x.astype(np.float32), y)


def mlp(features, outputs=1):
    return lambda: load_net("mlp", (features,), outputs)


def weights_of(net):
    return [parameter.detach() for parameter in net.parameters()]


@pytest.mark.parametrize(("keep", "step"), [(0.1, 0.5), (0.01, 0.5), (0.5, 0.5), (0.3, 0.9), (0.9, 0.2)])
def test_schedule_lands_on_keep_in_allowed_steps(keep, step):
    fractions = geometric(keep, step)
    assert fractions[0] == 1
    assert fractions[-1] == keep
    for before, after in itertools.pairwise(fractions):
        assert (1 - step) * before - 1e-12 <= after < before
    assert geometric(1.0) == [1.0]


def test_other_schedules_land_on_keep():
    assert one_shot(0.05) == [1.0, 0.05]
    fractions = cubic(0.05)
    assert fractions[0] == 1 and fractions[-1] == 0.05
    falls = [a - b for a, b in itertools.pairwise(fractions)]
    assert falls == sorted(falls, reverse=True)


def test_erk_gives_small_tensors_more_and_sums_to_the_fraction():
    mask = {key: torch.ones(shape) for key, shape in {"a": (4, 3), "b": (64, 64), "c": (32, 16, 3, 3)}.items()}
    for fraction in (0.9, 0.5, 0.1, 0.01):
        shares = masks.erk_fractions(mask, fraction)
        kept = sum(share * mask[key].numel() for key, share in shares.items())
        assert kept == pytest.approx(fraction * sum(m.numel() for m in mask.values()))
        assert 1 >= shares["a"] >= shares["b"] >= shares["c"] > 0


@pytest.mark.parametrize("scope", masks.SCOPES)
def test_masks_only_lose_weights_and_floor_holds(scope):
    generator = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (8, 20), "0.bias": (8,), "2.weight": (1, 8)}
    mask = {key: torch.ones(shape, dtype=torch.bool) for key, shape in shapes.items()}
    for fraction in geometric(0.02):
        values = {key: torch.randn(shape, generator=generator).abs() for key, shape in shapes.items()}
        tighter = masks.tighten(values, mask, fraction, scope, floor=2)
        assert all((mask[key] | ~tighter[key]).all() for key in shapes)
        assert (tighter["0.weight"].sum(1) >= (2 if fraction > 0.25 else 1)).all()
        assert tighter["2.weight"].any()
        mask = tighter
    assert mask["0.weight"].sum() == 8


def test_global_cut_keeps_the_exact_number_and_the_largest():
    values = {"weight": torch.arange(100.0).reshape(10, 10)}
    mask = {"weight": torch.ones(10, 10, dtype=torch.bool)}
    kept = masks.tighten(values, mask, 0.37, "global", floor=0)["weight"]
    assert kept.sum() == 37
    assert kept.flatten()[-37:].all()


def test_masked_gradients_are_zero_and_finalize_leaves_plain_zeros():
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    found = masks.attach(net, torch.zeros(1, 4))
    assert [slot.key for slot in found] == ["0.weight", "0.bias", "2.weight"]
    new = {slot.key: torch.rand_like(slot.mask) < 0.5 for slot in found}
    masks.set_masks(found, new)
    net(torch.randn(5, 4)).sum().backward()
    for slot in found:
        assert (slot.module.get_parameter(f"{slot.name}_orig").grad[~new[slot.key]] == 0).all()
    masks.finalize(net, found)
    state = net.state_dict()
    assert set(state) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    for key, mask in new.items():
        assert torch.equal(state[key] == 0, ~mask)
        assert not torch.signbit(state[key][~mask]).any()


def test_the_output_layer_is_the_one_that_runs_last():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.body = nn.Linear(3, 1), nn.Linear(4, 3)

        def forward(self, x):
            return self.head(self.body(x))

    keys = [slot.key for slot in masks.slots(Backwards(), torch.zeros(1, 4))]
    assert keys == ["head.weight", "body.weight", "body.bias"]


def test_nothing_to_prune():
    with pytest.raises(ModelError, match="nothing to prune"):
        masks.slots(nn.ReLU(), torch.zeros(1, 4))


def test_breast_cancer_at_a_tenth(cancer):
    result = prune_network(mlp(30), cancer, PruneSettings(keep=0.1, seed=7))
    rows = result.splits.validation
    y = cancer.labels()[rows] == 1
    for net in (result.dense, result.pruned, result.baseline.pruned):
        assert not net.training
        assert all(type(module).__module__.startswith("torch.nn.modules") for module in net.modules())
        assert auc(y, scores(net, result.scaling, cancer.x[rows], 1)) > 0.95
    prunable = 960 + 512 + 16
    zeros = sum(int((w == 0).sum()) for w in weights_of(result.pruned))
    assert prunable - zeros == round(0.1 * prunable)
    assert result.stopped == ""
    assert {iteration.arm for iteration in result.history} == {"class-dependent", "class-blind"}
    assert np.isfinite([result.threshold, result.dense_threshold, result.baseline.threshold]).all()
    torch.export.export(result.pruned, (torch.zeros(1, 30),))


@pytest.mark.parametrize("rewind", ["lr", "init", "epoch:2"])
def test_same_seed_same_result(rewind):
    data, settings = blobs(), PruneSettings(rewind=rewind, seed=3, **QUICK)
    torch.manual_seed(11)
    first = prune_network(mlp(6), data, settings)
    after = torch.rand(1)
    second = prune_network(mlp(6), data, settings)
    torch.manual_seed(11)
    assert torch.equal(after, torch.rand(1)), "the global random state was disturbed"
    for name, get in (
        ("dense", lambda r: r.dense),
        ("pruned", lambda r: r.pruned),
        ("blind", lambda r: r.baseline.pruned),
    ):
        pairs = zip(weights_of(get(first)), weights_of(get(second)))
        assert all(torch.equal(a, b) for a, b in pairs), name
    assert json.dumps(first.history_json()) == json.dumps(second.history_json())
    other = prune_network(mlp(6), data, PruneSettings(rewind=rewind, seed=4, **QUICK))
    assert not torch.equal(weights_of(first.pruned)[0], weights_of(other.pruned)[0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("score", SCORES)
def test_every_score_and_optimizer_reaches_keep(score, optimizer):
    quick = {**QUICK, "keep": 0.3}  # random pruning rightly kills this net at a tenth
    settings = PruneSettings(score=score, optimizer=optimizer, scope="global", rank="pairwise", lr=0.03, **quick)
    result = prune_network(mlp(20), blobs(features=20), settings)
    assert result.history[-1].remaining == pytest.approx(0.3, abs=0.01)
    left = [i.remaining for i in result.history if i.arm == "class-blind"]
    assert left == sorted(left, reverse=True)


def test_several_outputs_and_a_convolution():
    random = np.random.default_rng(0)
    y = np.arange(240) % 3
    x = random.integers(0, 60, (240, 1, 6, 6), dtype=np.uint8)
    x[np.arange(240), 0, y * 2, :] += 120

    def conv():
        head = (nn.Flatten(), nn.Dropout(0.1), nn.Linear(96, 3))
        return nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), *head)

    result = prune_network(conv, make_dataset(x, y), PruneSettings(positive=2, **QUICK))
    assert result.pruned(torch.zeros(2, 1, 6, 6)).shape == (2, 3)
    assert result.history[0].at_zero["validation"].auc > 0.9
    with pytest.raises(DataError, match=r"labels 0\.\.2, the network has 2 outputs"):
        flat = make_dataset(x.reshape(240, 36), y)
        prune_network(mlp(36, 2), flat, PruneSettings(**QUICK))


def test_class_zero_of_one_logit_scores_by_the_negated_logit():
    data = blobs()
    result = prune_network(mlp(6), data, PruneSettings(positive=0, **QUICK))
    rows = result.splits.validation
    with torch.no_grad():
        logits = result.dense(torch.from_numpy(result.scaling.apply(data.x[rows])))
    assert auc(data.labels()[rows] == 0, -logits.numpy()[:, 0]) > 0.9


def test_collapse_keeps_the_last_good_iteration(monkeypatch):
    real = masks.tighten

    def killed(scores, old, fraction, scope, floor):
        if fraction < 0.3:
            return {key: mask & False for key, mask in old.items()}
        return real(scores, old, fraction, scope, floor)

    monkeypatch.setattr(pruner_module.masking, "tighten", killed)
    result = prune_network(mlp(6), blobs(), PruneSettings(**QUICK))
    ours = [i for i in result.history if i.arm == "class-dependent"]
    assert ours[-1].collapsed and not ours[-2].collapsed
    assert result.stopped.startswith(f"collapsed in iteration {ours[-1].index} at 0.0% of the weights")
    assert f"kept iteration {ours[-2].index}" in result.stopped
    assert result.threshold == ours[-2].threshold
    assert any((w != 0).any() for w in weights_of(result.pruned))


def test_divergence_is_named():
    class Exploding(nn.Linear):
        def forward(self, x):
            return super().forward(x) * (float("nan") if self.training else 1.0)

    with pytest.raises(ModelError, match="diverged in iteration 0"):
        prune_network(lambda: Exploding(6, 1), blobs(), PruneSettings(**QUICK))


def test_divergence_later_keeps_the_last_good_iteration():
    class Fragile(nn.Linear):
        def forward(self, x):
            pruned = (self.weight == 0).any() and self.training
            return super().forward(x) * (float("nan") if pruned else 1.0)

    result = prune_network(lambda: Fragile(6, 1), blobs(), PruneSettings(**{**QUICK, "keep": 0.5}))
    assert (
        result.stopped
        == "diverged in iteration 1 (loss is not finite): kept iteration 0 with 100.0% of the weights; lower lr"
    )
    assert all((w != 0).any() for w in weights_of(result.pruned))


def test_a_network_that_cannot_learn_is_refused():
    class Constant(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 0

    with pytest.raises(ModelError, match=r"did not learn the important class \(validation AUC 0\.50"):
        prune_network(lambda: Constant(6, 1), blobs(), PruneSettings(**QUICK))


def test_no_sample_is_on_two_sides(cancer):
    sides = split(cancer, seed=0).sides()
    together = np.concatenate(list(sides.values()))
    assert len(set(together.tolist())) == len(together) == 569


def test_baseline_differs_in_the_loss_alone():
    settings = PruneSettings(keep=0.3, pos_weight=9.0)
    blind = class_blind(settings)
    changed = {name for name in vars(settings) if getattr(settings, name) != getattr(blind, name)}
    assert changed == {"loss", "pos_weight"}
    assert not class_blind(PruneSettings(max_fn_increase=0, distill=1.0)).constrained
    assert class_blind(PruneSettings(distill=1.0)).distill == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep": 0.0},
        {"keep": 1.5},
        {"keep": float("nan")},
        {"step": 1.0},
        {"score": "magic"},
        {"scope": "row"},
        {"rank": "min"},
        {"loss": "mse"},
        {"rewind": "epoch:x"},
        {"rewind": "epoch:0"},
        {"rewind": "epoch:99"},
        {"rewind": "later"},
        {"schedule": "slow"},
        {"levels": (0.5, 0.1)},
        {"levels": (1.0, 0.5, 0.5)},
        {"max_fn_increase": 1, "fnr_budget": 0.1},
        {"max_fn_increase": -1},
        {"fnr_budget": -0.1},
        {"clip": 0.0},
        {"more_classes": (ImportantClass(1),)},
        {"lr": -1.0},
        {"epochs": 0},
        {"pos_weight": 0.0},
        {"rank_weight": -1.0},
    ],
)
def test_settings_out_of_range(wrong):
    with pytest.raises(UsageError):
        PruneSettings(**wrong)
