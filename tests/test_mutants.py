"""A check that cannot fail is a defect: every mutant in mutants.toml must make its tests fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import need_tool

ROOT = Path(__file__).parent.parent
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text())["mutant"]
PACKAGES = (("compiler/cpcc", "cpcc"), ("templates", "cpcc/templates"), ("firmware", "cpcc/firmware"))


TESTS = {m["test"] for m in MUTANTS}
FILES = sorted({test.partition("::")[0] for test in TESTS})


def run(tree: Path, *selections: str) -> subprocess.CompletedProcess[str]:
    """pytest on the copy of the package below `tree`."""
    tests = [str(ROOT / each) for each in selections]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "CPCC_MUTANT": str(tree)}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def copy_package(tree: Path) -> None:
    """With its byte code, which Python takes only where the source has the time and size it was made from."""
    for source, target in PACKAGES:
        shutil.copytree(ROOT / source, tree / target)


def mutated_file(tree: Path, file: str) -> Path:
    source, target = next(pair for pair in PACKAGES if file.startswith(pair[0]))
    return tree / target / file[len(source) + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[m["why"] for m in MUTANTS])
def test_mutant_dies(mutant: dict[str, str], tmp_path: Path) -> None:
    if "needs" in mutant:
        need_tool(mutant["needs"])
    copy_package(tmp_path)
    path = mutated_file(tmp_path, mutant["file"])
    text = path.read_text()
    assert text.count(mutant["text"]) == 1, f"{mutant['file']} no longer holds the mutant's text exactly once"
    path.write_text(text.replace(mutant["text"], mutant["replacement"]))
    done = run(tmp_path, mutant["test"])
    assert done.returncode == 1, f"survived:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_unmutated_copy_is_green(file: str, tmp_path: Path) -> None:
    """The mutants die of the mutation, not of the copy."""
    copy_package(tmp_path)
    done = run(tmp_path, *sorted(test for test in TESTS if test.partition("::")[0] == file))
    assert done.returncode == 0, done.stdout[-2000:]
