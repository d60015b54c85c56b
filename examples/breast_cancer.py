"""A medical detector: Breast Cancer Wisconsin, malignant is the class that must not be missed.

    python examples/breast_cancer.py

The same as `cpcc demo`, spelled out as the four commands you would use on your own data.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from shell import cpcc

FOLDER = Path("build/breast_cancer")


def write_data() -> None:
    """train.npz and test.npz: x float32 (n, 30), y int64, 1 for malignant."""
    x, benign = load_breast_cancer(return_X_y=True)
    y = 1 - benign
    parts = train_test_split(x.astype(np.float32), y, test_size=0.3, random_state=0, stratify=y)
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(FOLDER / "train.npz", x=parts[0], y=parts[2])
    np.savez(FOLDER / "test.npz", x=parts[1], y=parts[3])


def main() -> None:
    write_data()
    cpcc("prune", "mlp", "--data", FOLDER / "train.npz", "--positive", 1, "--keep", 0.1, "-o", FOLDER / "model.pt")
    cpcc("build", FOLDER / "model.pt", "--target", "stm32", "--name", "breast-cancer", "-o", FOLDER / "project")
    cpcc("verify", FOLDER / "project", "--data", FOLDER / "test.npz", "--json", FOLDER / "verify.json")
    cpcc("profile", FOLDER / "project")


if __name__ == "__main__":
    main()
