"""What `ClassDependentPruner` says of a network, batches or a device of somebody's own that it cannot train with."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, TensorDataset

from cpcc.errors import CpccError, DataError, ModelError, UsageError
from cpcc.prune import ClassDependentPruner, PruneSettings

SETTINGS = PruneSettings(keep=0.5, epochs=1, epochs_later=1)
Y = torch.arange(33) % 3 // 2
X = torch.randn(33, 4, generator=torch.Generator().manual_seed(0)) + 2 * Y[:, None]


def net(outputs: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, outputs))


def loader(x: torch.Tensor = X, y: torch.Tensor = Y, batch_size: int = 11) -> DataLoader:
    return DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)


def masked() -> nn.Module:
    made = net()
    prune.l1_unstructured(made[0], "weight", 0.5)
    return made


def normed() -> nn.Module:
    made = net()
    nn.utils.parametrizations.weight_norm(made[0])
    return made


class Twice(nn.Module):
    """Two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.layer(x), self.layer(x)


@pytest.mark.parametrize(
    ("train", "error", "message"),
    [
        (loader(y=Y.float()), DataError, "train: labels are float32 of shape (11,); needed: int64 (11,), one class a"),
        (loader(y=Y[:, None]), DataError, "train: labels are int64 of shape (11, 1); needed: int64 (11,)"),
        (loader(y=nn.functional.one_hot(Y)), DataError, "labels.long(), no one-hot"),
        (loader(x=X.double()), DataError, "train: x is float64; needed: float32, as x.float() gives it"),
        (loader(x=X / 0), DataError, "train: x has values that are not finite; leave such samples out"),
        (loader(batch_size=32), DataError, "train: a batch holds 1 sample (Expected more than 1 value per channel"),
        (loader(x=X[:, :3]), ModelError, "network: does not take samples of shape (3,)"),
        ((batch for batch in loader()), DataError, "train: a generator can be read once only; give a DataLoader"),
        ([{"x": X, "y": Y}], DataError, "train: a batch is a dict; needed: two tensors, (x, labels)"),
        ([(X, Y, Y)], DataError, "train: a batch is a tuple of Tensor, Tensor, Tensor; needed: two tensors"),
        ([(X.numpy(), Y.numpy())], DataError, "train: a batch is a tuple of ndarray, ndarray; needed: two tensors"),
        ([], DataError, "train: no batch; give at least one sample of each class"),
    ],
)
def test_batches(train: object, error: type[CpccError], message: str) -> None:
    with pytest.raises(error) as raised:
        ClassDependentPruner(net(), train, loader(), SETTINGS)
    assert message in str(raised.value)


def test_validation_is_checked_too() -> None:
    with pytest.raises(DataError, match="validation: x is float64"):
        ClassDependentPruner(net(), loader(), loader(x=X.double()), SETTINGS)
    with pytest.raises(DataError, match=r"train: labels 1\.\.2, the network has 2 outputs; needed: 0\.\.1"):
        ClassDependentPruner(net(2), loader(y=Y + 1), loader(y=Y + 1), SETTINGS)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(net(), nn.Sigmoid(), nn.Flatten(0)), "network: ends with Sigmoid; return logits instead"),
        (nn.Sequential(net(2), nn.Softmax(1)), "network: ends with Softmax; return logits instead"),
        (Twice(), "network: returns tuple for 2 samples; return logits"),
        (net().requires_grad_(False), "network: none of its parameters is trained; call net.requires_grad_(True)"),
        (nn.ReLU(), "network: nothing to prune"),
        (masked(), "0: its weight is computed (torch.nn.utils.prune or a parametrization); make it plain"),
        (normed(), "0: its weight is computed (torch.nn.utils.prune or a parametrization); make it plain"),
    ],
)
def test_networks(network: nn.Module, message: str) -> None:
    with pytest.raises(ModelError) as raised:
        ClassDependentPruner(network, loader(), loader(), SETTINGS)
    assert message in str(raised.value)


@pytest.mark.parametrize("device", ["cuda:99", "warp"])
def test_devices(device: str) -> None:
    with pytest.raises(UsageError, match=f"device {device}: not available here; use cpu"):
        ClassDependentPruner(net(), loader(), loader(), SETTINGS, device=device)


def test_one_sample_is_no_obstacle_without_batch_norm(tmp_path) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 1))
    pruner = ClassDependentPruner(plain, loader(batch_size=32), loader(), SETTINGS, run_dir=str(tmp_path / "run"))
    assert pruner.run().iterations[0].epochs == 1
    assert (tmp_path / "run").is_dir()


def test_checks_draw_no_random_numbers() -> None:
    dropping = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5), nn.Linear(6, 1))
    batches = [(X, Y), (X[:1], Y[:1])]
    before = torch.get_rng_state()
    ClassDependentPruner(dropping, batches, batches, SETTINGS)
    assert torch.equal(before, torch.get_rng_state())
