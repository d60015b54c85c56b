"""Class-dependent pruning from a training script of one's own: any module, any DataLoader, CPU or GPU.

`python examples/own_training.py` writes a network and prints the command that compiles it.
"""

import math
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cpcc.prune import ClassDependentPruner, PruneSettings


def loader(x: np.ndarray, y: np.ndarray) -> DataLoader:
    return DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=32, shuffle=True)


def main() -> None:
    images, digit = load_digits(return_X_y=True)
    x, y = (images / 8 - 1).astype(np.float32), (digit == 8).astype(np.int64)  # "8" is the class not to be missed
    x_train, x_held, y_train, y_held = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    settings = PruneSettings(positive=1, keep=0.1, max_fn_increase=0, max_fpr_increase=0.1, epochs=30, epochs_later=15)
    pruner = ClassDependentPruner(
        net, loader(x_train, y_train), loader(x_held, y_held), settings,
        device="cuda" if torch.cuda.is_available() else "cpu",
        run_dir=Path("own.run"), resume=True,  # interrupt it and start it again
    )  # fmt: skip
    result = pruner.run()
    for it in result.iterations:
        found = it.at_threshold["validation"]
        held = "holds the budget" if it.within_budget else "does not hold it"
        print(f"{it.remaining:6.1%} of the weights: FN {found.fn}, FP {found.fp}, AUC {found.auc:.4f}; {held}")
    torch.export.save(torch.export.export(result.pruned, (torch.zeros(1, 64),)), "own.pt2")
    np.savez("own.npz", x=x_held, y=y_held)
    probability = 1 / (1 + math.exp(-result.threshold))  # chosen on held-out samples; an archive alone means one half
    options = f"--calibrate own.npz --positive 1 --threshold {probability:.4f}"
    print(f"wrote own.pt2 and own.npz; next: cpcc build own.pt2 {options} -o build/own")


if __name__ == "__main__":
    main()
