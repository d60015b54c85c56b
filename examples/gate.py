"""The gate as this project's own CI runs it: one committed model, one committed baseline, no worse than that.

    python examples/gate.py             exit status 6 where a change of cpcc costs misses, flash, RAM or instructions
    python examples/gate.py --update    take today's figures as the new baseline, for review in the same commit

The model is committed so that training, which differs in its last bits between processors, is no part of the gate.
`examples/github-actions.yml` does the same on GitHub and posts the table on the pull request.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from shell import cpcc

HERE = Path(__file__).parent / "gate"
FOLDER = Path("build/gate")


def write_data() -> None:
    """test.npz: the samples that the committed model was not trained on (`cpcc demo`, seed 2020)."""
    x, benign = load_breast_cancer(return_X_y=True)
    y = (1 - benign).astype(np.int64)
    _, test = train_test_split(np.arange(len(y)), test_size=0.3, random_state=2020, stratify=y)
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(FOLDER / "test.npz", x=x[test].astype(np.float32), y=y[test])


def main() -> None:
    write_data()
    baseline = () if "--update" in sys.argv else ("--baseline", HERE / "baseline.json", "--max-regression", "2%")
    cpcc("build", HERE / "model.pt", "--name", "gate", "-o", FOLDER / "project")
    cpcc(
        "verify", FOLDER / "project", "--data", FOLDER / "test.npz", "--strict", *baseline, "--json", FOLDER / "verify.json",
        "--junit", FOLDER / "junit.xml", "--summary", FOLDER / "summary.md",
    )  # fmt: skip
    if not baseline:
        shutil.copy(FOLDER / "verify.json", HERE / "baseline.json")


if __name__ == "__main__":
    main()
