"""The FN-constrained mode: what it promises on validation samples, and what it says when nothing holds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cpcc.data import make_dataset
from cpcc.errors import DataError, VerificationError
from cpcc.prune import ClassDependentPruner, ImportantClass, PruneSettings, TensorBatches, prune_network
from cpcc.prune import api as api_module

QUICK = {"epochs": 8, "epochs_later": 4, "keep": 0.1}


def overlapping(classes=2, samples=600, spread=1.2, seed=0):
    """Samples whose classes cannot be told apart entirely."""
    random = np.random.default_rng(seed)
    y = np.arange(samples) % classes
    x = random.normal(size=(samples, 8)) + spread * np.eye(8)[y]
    return make_dataset(x.astype(np.float32), y)


def perceptron(outputs=1):
    return lambda: nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, outputs))


def ours(result):
    return [iteration for iteration in result.history if iteration.arm == "class-dependent"]


@pytest.mark.parametrize("budget", [{"max_fn_increase": 0}, {"max_fn_increase": 3}, {"fnr_budget": 0.05}])
def test_the_kept_network_is_the_sparsest_that_holds(budget):
    settings = PruneSettings(max_fpr_increase=0.2, **budget, **QUICK)
    result = prune_network(perceptron(), overlapping(), settings)
    iterations = ours(result)
    dense = iterations[0].at_threshold["validation"]
    allowed = budget.get("max_fn_increase", int(budget.get("fnr_budget", 0) * (dense.tp + dense.fn)))
    for iteration in iterations[1:]:
        found = iteration.at_threshold["validation"]
        assert found.fn <= dense.fn + allowed
        assert iteration.within_budget == (found.fpr <= dense.fpr + 0.2)
    kept = [iteration for iteration in iterations if iteration.within_budget][-1]
    prunable = 8 * 24 + 24
    zeros = sum(int((p == 0).sum()) for p in result.pruned.parameters())
    assert prunable - zeros == round(kept.remaining * prunable)
    assert result.threshold == kept.threshold


def test_the_trajectory_is_whole_and_the_multipliers_are_in_it():
    result = prune_network(perceptron(), overlapping(), PruneSettings(max_fn_increase=0, max_fpr_increase=1.0, **QUICK))
    assert len(ours(result)) == 5
    assert ours(result)[0].multipliers == {}
    assert set(ours(result)[-1].multipliers) == {"1"}
    assert not result.settings.levels and all(it.multipliers == {} for it in result.history if it.arm == "class-blind")


def test_a_budget_that_nothing_holds_names_the_best():
    """An exclusive or: two weights cannot say it, the dense network can."""
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 8)).astype(np.float32)
    data = make_dataset(x, (x[:, 0] * x[:, 1] > 0).astype(np.int64))
    settings = PruneSettings(max_fn_increase=0, max_fpr_increase=0.0, keep=0.02, floor=0, epochs=30, epochs_later=4)
    message = r"budget: no pruned network holds it; best: iteration \d with \d+\.\d% of .*allowed increase 0\.0\)"
    with pytest.raises(VerificationError, match=message):
        prune_network(perceptron(), data, replace(settings, levels=(1.0, 0.02)))


def test_several_classes_have_budgets_of_their_own():
    more = (ImportantClass(2, fnr_budget=0.1),)
    settings = PruneSettings(positive=1, more_classes=more, fnr_budget=0.05, max_fpr_increase=0.3, **QUICK)
    result = prune_network(perceptron(3), overlapping(3), settings)
    last = ours(result)[-1]
    assert set(last.multipliers) == {"1", "2"}
    dense, sparse = (it.more["2"]["at_threshold"]["validation"] for it in (ours(result)[0], last))
    assert sparse["fn"] <= dense["fn"] + int(0.1 * (dense["fn"] + dense["tp"]))


def test_several_classes_need_several_outputs():
    settings = PruneSettings(more_classes=(ImportantClass(0),), **QUICK)
    with pytest.raises(DataError, match="an output per class"):
        prune_network(perceptron(), overlapping(), settings)


def loader(data, rows):
    x, y = torch.from_numpy(data.x[rows]), torch.from_numpy(data.y[rows])
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=32, shuffle=True)


def test_any_module_and_any_data_loader():
    data = overlapping()
    net = perceptron()()
    before = [p.clone() for p in net.parameters()]

    def run():
        train, held_out = loader(data, slice(0, 400)), loader(data, slice(400, 600))
        return ClassDependentPruner(net, train, held_out, PruneSettings(**QUICK)).run()

    torch.manual_seed(1)
    first = run()
    torch.manual_seed(2)
    second = run()
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters())), "the caller's network was changed"
    for a, b in zip(first.pruned.parameters(), second.pruned.parameters()):
        assert torch.equal(a, b), "the loader's order must follow the run's seed"
    assert first.iterations[-1].remaining < 0.2
    assert first.iterations[0].at_zero["validation"].auc > 0.8


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_side_without_the_important_class_is_refused(side):
    data = overlapping()
    whole = TensorBatches(torch.from_numpy(data.x), torch.from_numpy(data.y), 32)
    empty = TensorBatches(torch.from_numpy(data.x), torch.zeros(600, dtype=torch.int64), 32)
    sides = {"train": whole, "validation": whole, side: empty}
    with pytest.raises(DataError, match=f"{side}: no sample of the important class 1"):
        ClassDependentPruner(perceptron()(), sides["train"], sides["validation"])


def test_stratified_batches_share_the_rare_class():
    labels = (torch.arange(1000) % 20 == 0).long()
    batches = TensorBatches(torch.arange(1000.0)[:, None], labels, 100)
    seen = list(batches)
    assert [int(y.sum()) for _, y in seen] == [5] * 10
    assert sorted(torch.cat([x for x, _ in seen])[:, 0].tolist()) == list(range(1000))
    assert not torch.equal(next(iter(batches))[0], seen[0][0])


def test_run_time_is_kept_by_activity():
    data = overlapping(samples=3000)
    batches = TensorBatches(torch.from_numpy(data.x), torch.from_numpy(data.y), 32)
    result = ClassDependentPruner(perceptron()(), batches, batches, PruneSettings(**QUICK)).run()
    assert set(result.seconds) == {"train", "validate", "prune"}
    assert all(value > 0 for value in result.seconds.values())


def test_budget_is_off_for_the_baseline(monkeypatch):
    seen = []
    real = api_module.ClassDependentPruner

    def spy(*args, **kwargs):
        seen.append(args[3].constrained)
        return real(*args, **kwargs)

    monkeypatch.setattr(api_module, "ClassDependentPruner", spy)
    prune_network(perceptron(), overlapping(), PruneSettings(max_fn_increase=5, max_fpr_increase=1.0, **QUICK))
    assert seen == [True, False]
