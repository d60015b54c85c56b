"""What changed in bench/results since a commit: `python bench/compare.py [COMMIT]`, by default HEAD. `make bench-diff`.

Prints every figure that moved by more than 2 %, and every row that came or went; the exit status is 1 where there are any."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rows import key_of

ROOT = Path(__file__).parent.parent
TABLES = ("models", "kernels", "pruned", "zoo_sizes", "mlps")
LIMIT = 0.02


def differences(old: list[dict[str, Any]], new: list[dict[str, Any]], limit: float = LIMIT) -> Iterator[str]:
    """One line for each figure that moved by more than `limit`, and for each row that only one side has."""
    before, after = ({key_of(row): row for row in rows} for rows in (old, new))
    for key in sorted(before.keys() | after.keys()):
        if key not in before or key not in after:
            yield f"{key}: {'new' if key in after else 'gone'}"
            continue
        for figure, value in after[key].items():
            was = before[key].get(figure)
            if isinstance(value, int | float) and isinstance(was, int | float) and abs(value - was) > limit * abs(was):
                yield (
                    f"{key}: {figure} {was:,} -> {value:,} ({100 * (value / was - 1):+.1f} %)"
                    if was
                    else f"{key}: {figure} 0 -> {value:,}"
                )


def committed(table: str, commit: str) -> list[dict[str, Any]]:
    """The table's rows in `commit`; none where it did not exist."""
    command = ["git", "show", f"{commit}:bench/results/{table}.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rows: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
    return rows


def main() -> None:
    commit = sys.argv[1] if len(sys.argv) > 1 else "HEAD"
    found = False
    for table in TABLES:
        path = ROOT / "bench" / "results" / f"{table}.json"
        new = json.loads(path.read_text()) if path.is_file() else []
        for line in differences(committed(table, commit), new):
            found = True
            print(f"{table}: {line}")
    if not found:
        print(f"nothing moved by more than {100 * LIMIT:g} % since {commit}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
