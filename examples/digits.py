"""A rare-class image detector: the digit 8 against all others, 8x8 pixels, a small CNN of your own.

    python examples/digits.py

Shows NET as path/to/file.py:callable: `cpcc prune examples/digits.py:net …` calls `net` below.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from shell import cpcc

FOLDER = Path("build/digits")
IMPORTANT = 8


def net() -> nn.Module:
    """One logit for images (n, 1, 8, 8)."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3),
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 1),
    )  # fmt: skip


def write_data() -> None:
    """train.npz and test.npz: x uint8 (n, 1, 8, 8), y int64, 1 for the important digit."""
    digits = load_digits()
    x = digits.images.astype(np.uint8)[:, None]
    y = (digits.target == IMPORTANT).astype(np.int64)
    parts = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(FOLDER / "train.npz", x=parts[0], y=parts[2])
    np.savez(FOLDER / "test.npz", x=parts[1], y=parts[3])


def main() -> None:
    write_data()
    cpcc(
        "prune",
        f"{__file__}:net",
        "--data",
        FOLDER / "train.npz",
        "--positive",
        1,
        "--keep",
        0.1,
        "-o",
        FOLDER / "model.pt",
    )
    cpcc("inspect", FOLDER / "model.pt")
    cpcc("build", FOLDER / "model.pt", "--target", "stm32", "--name", "digits", "-o", FOLDER / "project")
    cpcc("verify", FOLDER / "project", "--data", FOLDER / "test.npz", "--json", FOLDER / "verify.json")
    cpcc("profile", FOLDER / "project")


if __name__ == "__main__":
    main()
