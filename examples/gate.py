"""The gate as this project's own CI runs it: a committed model and a committed baseline per example, no worse than that.

    python examples/gate.py             exit status 6 where a change of cpcc costs misses, flash, RAM or instructions
    python examples/gate.py --update    take today's figures as the new baselines, for review in the same commit

Three examples: `cpcc demo`'s detector, the convolutional one of digits.py, and the two important classes of two_digits.py with
their promises. The models are committed so that training, which differs in its last bits between processors, is no part of the
gate. `examples/github-actions.yml` does the same on GitHub and posts the table on the pull request.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import digits
import two_digits
from shell import cpcc

HERE = Path(__file__).parent / "gate"
FOLDER = Path("build/gate")


@dataclass(frozen=True)
class Example:
    """Its test data, made by `write_data` from scikit-learn's, and the options of its build."""

    name: str
    data: Path
    options: tuple[object, ...] = ()


EXAMPLES = (
    Example("cancer", FOLDER / "cancer.npz"),
    Example("digits", digits.FOLDER / "test.npz"),
    Example(
        "two_digits",
        two_digits.FOLDER / "test.npz",
        ("--max-fnr", "3=0.06", "--max-fnr", "5=0.1", "--threshold-data", two_digits.FOLDER / "unseen.npz"),
    ),
)


def write_data() -> None:
    """cancer.npz: the samples that `cpcc demo` (seed 2020) does not train on; the others as their examples write them."""
    x, benign = load_breast_cancer(return_X_y=True)
    y = (1 - benign).astype(np.int64)
    _, test = train_test_split(np.arange(len(y)), test_size=0.3, random_state=2020, stratify=y)
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(FOLDER / "cancer.npz", x=x[test].astype(np.float32), y=y[test])
    digits.write_data()
    two_digits.write_data()


def check(example: Example, update: bool) -> None:
    name, own, baseline = example.name, FOLDER / example.name, HERE / f"{example.name}.json"
    against = () if update else ("--baseline", baseline, "--max-regression", "2%")
    cpcc("build", HERE / f"{name}.pt", "--name", name, *example.options, "-o", own / "project")
    cpcc(
        "verify", own / "project", "--data", example.data, "--strict", *against, "--json", own / "verify.json",
        "--junit", own / "junit.xml", "--summary", own / "summary.md",
    )  # fmt: skip
    if update:
        shutil.copy(own / "verify.json", baseline)


def main() -> None:
    write_data()
    for example in EXAMPLES:
        check(example, update="--update" in sys.argv)


if __name__ == "__main__":
    main()
