"""The tables of docs/performance.md: `python bench/run.py` compiles models and kernels, compares them with numpy, counts them on
emulated cores and writes bench/results, beside what is known of TensorFlow Lite Micro with CMSIS-NN. `bench/compare.py` shows what moved.

Models are looked for in ``$CPCC_MODELS`` (default ``../shared/models`` beside the repository); missing ones are skipped."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from rows import CORES, RESULTS, write
from table import page

PARTS = ("kernels", "models", "pruned", "zoo_sizes", "striping", "mlps", "machine")


def _rows(part: str, cores: tuple[str, ...], models: tuple[str, ...]) -> Iterator[Any]:
    """What a part measures; imported here, since some need torch or scikit-learn."""
    if part == "kernels":
        from kernels import kernel_rows

        return kernel_rows()
    if part == "models":
        from models import model_rows

        return model_rows(cores, models)
    return _others()[part]()


def _others() -> dict[str, Callable[[], Iterator[Any]]]:
    from models import pruned_rows
    from peer_mlps import rows as mlp_rows
    from striping import striping_rows
    from zoo_sizes import zoo_rows

    return {"pruned": pruned_rows, "mlps": mlp_rows, "zoo_sizes": zoo_rows, "striping": striping_rows}


def _machine() -> None:
    import json

    from machine import measure

    found = measure()
    if found is not None:
        (RESULTS / "machine.json").write_text(json.dumps(asdict(found)) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--core", choices=CORES, action="append", help="of the models")
    parser.add_argument("--model", action="append", help="by name")
    chosen = parser.parse_args()
    for part in chosen.only or PARTS:
        if part == "machine":
            _machine()
            continue
        found = list(_rows(part, tuple(chosen.core or CORES), tuple(chosen.model or ())))
        if found:
            write(part, found)
    (RESULTS / "table.md").write_text(page())


if __name__ == "__main__":
    main()
