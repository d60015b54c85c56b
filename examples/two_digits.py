"""Two important classes in one build: the digits 3 and 5 among ten, each with a threshold and a promise of its own.

    python examples/two_digits.py

The network has an output per digit. `--max-fnr 3=0.06` and `--max-fnr 5=0.1` hold at once with a confidence of 95 %
(docs/guarantee.md); in C, `two_digits_alarms(arena)` says which of the two fire.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from shell import cpcc

FOLDER = Path("build/two_digits")


def net() -> nn.Module:
    """Ten logits for 64 pixels."""
    return nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 10))


def write_data() -> None:
    """train.npz to learn from, unseen.npz to choose the thresholds on, test.npz: x uint8 (n, 64), y the digit."""
    x, y = load_digits(return_X_y=True)
    train, rest = train_test_split(np.arange(len(y)), test_size=0.55, random_state=0, stratify=y)
    unseen, test = train_test_split(rest, test_size=0.25, random_state=0, stratify=y[rest])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("unseen", unseen), ("test", test)):
        np.savez(FOLDER / f"{name}.npz", x=x[rows].astype(np.uint8), y=y[rows])


def main() -> None:
    write_data()
    cpcc(
        "prune", f"{__file__}:net", "--data", FOLDER / "train.npz", "--positive", 3, "--important", 5, "--keep", 0.2,
        "--schedule", "one-shot", "--epochs", 20, "-o", FOLDER / "model.pt",
    )  # fmt: skip
    cpcc(
        "build", FOLDER / "model.pt", "--name", "two_digits", "--max-fnr", "3=0.06", "--max-fnr", "5=0.1",
        "--threshold-data", FOLDER / "unseen.npz", "--self-test", "--threshold-table", "-o", FOLDER / "project",
    )  # fmt: skip
    cpcc("verify", FOLDER / "project", "--data", FOLDER / "test.npz", "--strict", "--json", FOLDER / "verify.json")
    cpcc("report", FOLDER / "project")


if __name__ == "__main__":
    main()
