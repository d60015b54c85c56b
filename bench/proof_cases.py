"""What `bench/proof.py` compiles: a trained detector per data set, the zoo trained on real tasks, the zoo at its usual shapes.

A case makes a model file, calibration samples and a whole test set: the official test split, or two fifths of the groups.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn import datasets as sklearn_sets
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from torch import nn
from zoo_accuracy import DATA, TASKS, ZOO, Task, train

from cpcc.data import Dataset, Scaling, make_dataset
from cpcc.models.exporting import export_module
from cpcc.models.model_file import save_program
from cpcc.nets import load_net
from cpcc.prune import PruneSettings
from cpcc.prune.api import prune_network
from cpcc.training import save_result

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
TRAINED_ON = 3000  # samples: the proof is about equality, not about accuracy
CALIBRATION = 256
EVERY = 10**9
TOO_HARD = ("skin",)  # raw pixels tell next to nothing: no network here learns it
NOISE = 64  # samples for the networks that no data set here fits
NETS = {"cracks": "cnn3", "fashion": "lenet5", "fsdd": "dscnn", "skin": "cnn3", "digits": "dscnn"}
SKLEARN = {"breast_cancer": 0, "digits": 8, "wine": 2, "iris": 2}  # the label taken as the important class


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model file, samples to calibrate it with (None: it keeps its own) and the test set. Without labels the model
    is built without a decision."""

    model: Path
    calibration: Dataset | None
    test: Dataset


@dataclass(frozen=True)
class Case:
    """One network on one test set; `prepare` writes its model file into a folder."""

    kind: str
    net: str
    data: str
    prepare: Callable[[Path], Prepared]

    @property
    def key(self) -> str:
        return f"{self.kind}: {self.net} on {self.data}"


def cases() -> Iterator[Case]:
    """All of them, the quick ones first."""
    for name, positive in SKLEARN.items():
        yield _detector(name, partial(_sklearn, name, positive))
    for path in sorted(DATA.glob("*.npz"), key=lambda p: p.stat().st_size):
        yield _detector(path.stem.partition("_")[0], partial(_file, path))
    for name, entry in ZOO.items():
        shape = "x".join(map(str, entry.shape))
        yield Case("zoo, usual shape", name, f"noise {shape}", partial(_zoo_noise, name))
    for name in sorted(DATASET_OF, key=lambda n: n in ("resnet8", "mobilenet_v2", "mobilenet_v1", "inception")):
        yield Case("zoo, trained", name, DATASET_OF[name], partial(_zoo_trained, name))


DATASET_OF = {
    "lenet5": "fashion", "cnn3": "cracks", "dscnn": "fsdd", "mobilenet_v1": "fashion", "mobilenet_v2": "fashion",
    "resnet8": "fashion", "autoencoder": "imu", "ecg_net": "imu", "inception": "fashion", "squeeze_excite": "cracks",
    "gru_net": "imu",
}  # fmt: skip


def _sklearn(name: str, positive: int) -> tuple[Dataset, Dataset]:
    """(training, test) samples; `positive` against the rest."""
    bunch = getattr(sklearn_sets, f"load_{name}")()
    x = bunch.images[:, None].astype(np.uint8) if name == "digits" else bunch.data.astype(np.float32)
    y = (bunch.target == positive).astype(np.int64)
    rows = train_test_split(np.arange(len(x)), test_size=0.4, random_state=0, stratify=y)
    train_rows, test_rows = rows
    return make_dataset(x[train_rows], y[train_rows]), make_dataset(x[test_rows], y[test_rows])


def _file(path: Path) -> tuple[Dataset, Dataset]:
    with np.load(path, allow_pickle=False) as data:
        x, y = data["x"], data["y"]
        group = data["group"] if "group" in data else np.arange(len(x))
        official = data.get("split")
    if official is None:
        train_rows, test_rows = next(GroupShuffleSplit(1, test_size=0.4, random_state=0).split(x, y, group))
    else:
        train_rows, test_rows = np.flatnonzero(official == 0), np.flatnonzero(official == 1)
    train_rows = np.random.default_rng(0).permutation(train_rows)[:TRAINED_ON]
    return make_dataset(x[train_rows], y[train_rows]), make_dataset(x[test_rows], y[test_rows])


def _detector(name: str, load: Callable[[], tuple[Dataset, Dataset]]) -> Case:
    kind = "detector" if name in TOO_HARD else "pruned detector"
    return Case(kind, "ecg_net" if name == "imu" else NETS.get(name, "mlp"), name, partial(_pruned, name, load))


def _pruned(name: str, load: Callable[[], tuple[Dataset, Dataset]], folder: Path) -> Prepared:
    """A detector as `cpcc prune` makes it, briefly: one-shot to a fifth of the weights."""
    known, test = load()
    shape = known.x.shape[1:]
    if name in TOO_HARD:
        return _unpruned(name, known, test, folder)

    def net() -> nn.Module:
        return ZOO["ecg_net"].build(shape, 1) if name == "imu" else load_net(NETS.get(name, "mlp"), shape, 1)

    epochs = 30 if len(known.x) < 1000 else 6
    settings = PruneSettings(keep=0.2, schedule="one-shot", epochs=epochs, epochs_later=epochs // 2)
    save_result(prune_network(net, known, settings), known, folder / "model.pt")
    return Prepared(folder / "model.pt", None, test)


def _unpruned(name: str, known: Dataset, test: Dataset, folder: Path) -> Prepared:
    """A detector with two logits that is trained as the zoo is: the pruner refuses a network that does not learn."""
    torch.manual_seed(0)
    scaling = Scaling.fit(known.x)
    task = Task(name, scaling.apply(known.x), known.labels(), scaling.apply(test.x), test.labels(), "AUC")
    net = load_net(NETS[name], known.x.shape[1:], 2)
    train(net, task, 2)
    return _exported(net, task, folder)


def _zoo_trained(name: str, folder: Path) -> Prepared:
    """A network of the zoo as bench/zoo_accuracy.py trains it, for at most three epochs."""
    torch.manual_seed(0)
    make, epochs = TASKS[name]
    task = make(EVERY)
    net = ZOO[name].build(task.x.shape[1:], 10 if task.metric == "accuracy" else 2)
    train(net, task, min(epochs, 3))
    return _exported(net, task, folder)


def _zoo_noise(name: str, folder: Path) -> Prepared:
    """A network of the zoo at its usual shape, with random weights and the batch statistics of noise."""
    from test_zoo import with_statistics

    torch.manual_seed(0)
    entry = ZOO[name]
    net = with_statistics(entry.build(entry.shape, entry.outputs), entry.shape)
    x = np.random.default_rng(0).normal(0, 1, (CALIBRATION + NOISE, *entry.shape)).astype(np.float32)
    y = np.arange(len(x), dtype=np.int64) % 2
    metric = "anomaly AUC" if name == "autoencoder" else ""
    return _exported(net, Task("noise", x[:CALIBRATION], y[:CALIBRATION], x[CALIBRATION:], y[CALIBRATION:], metric), folder)  # fmt: skip


def _exported(net: nn.Module, task: Task, folder: Path) -> Prepared:
    """An autoencoder decides nothing: its test set has no labels."""
    save_program(folder / "model.pt", export_module(net, task.x.shape[1:]))
    labels = (None, None) if task.metric == "anomaly AUC" else (task.y[:CALIBRATION], task.test_y)
    calibration, test = map(partial(make_dataset, need_labels=False), (task.x[:CALIBRATION], task.test_x), labels)  # fmt: skip
    return Prepared(folder / "model.pt", calibration, test)
