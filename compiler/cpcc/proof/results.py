"""What the last `verify` of a build found, kept in its ``.cpcc`` folder for `cpcc report`; not part of the hashed files."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpcc.errors import DataError
from cpcc.files import write_atomically
from cpcc.folder import MANIFEST, STATE, BuildFolder, sha256
from cpcc.proof.verify import FloatScores, Report

REPORT, ARRAYS = "results.json", "results.npz"
KEPT_SAMPLES = 48  # changed samples whose raw values are kept, to be drawn


@dataclass(frozen=True, eq=False)
class Results:
    """`report` is `Report.as_json`; scores (n, decisions) of each model (empty where there is no such
    model), `labels` (n,) or empty; `drawn` are the numbers
    of the changed samples whose raw values (k, ...) `raw` holds; `provenance` says on what data and by what command."""

    report: dict[str, Any]
    provenance: dict[str, Any]
    fixed: np.ndarray
    pruned: np.ndarray
    dense: np.ndarray
    labels: np.ndarray
    drawn: np.ndarray
    raw: np.ndarray


def _build_id(build: BuildFolder) -> str:
    """Names this very build: results of an earlier one are worthless."""
    return sha256((build.path / MANIFEST).read_bytes())


def save_results(
    build: BuildFolder, report: Report, fixed: np.ndarray, floats: tuple[FloatScores, ...] | None, labels: np.ndarray | None,
    raw: np.ndarray, provenance: dict[str, Any],
) -> None:  # fmt: skip
    """Keep a verification beside the build it is of."""
    drawn = np.array(
        sorted({change.sample for each in report.classes for change in each.changes})[:KEPT_SAMPLES], np.int64
    )
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, fixed=fixed, pruned=_columns([each.pruned for each in floats or ()]),
        dense=_columns([each.dense for each in floats or () if each.dense is not None]),
        labels=np.empty(0, np.int64) if labels is None else labels, drawn=drawn, raw=raw[drawn],
    )  # fmt: skip
    content = {"build": _build_id(build), "report": report.as_json(), "provenance": provenance}
    write_atomically(build.path / STATE / ARRAYS, buffer.getvalue())
    write_atomically(build.path / STATE / REPORT, (json.dumps(content, indent=1) + "\n").encode())


def _columns(scores: list[np.ndarray]) -> np.ndarray:
    """(n, decisions) of one (n,) each; empty of none."""
    return np.stack(scores, axis=1) if scores else np.empty((0, 0))


def load_results(build: BuildFolder) -> Results:
    """The last verification of this build. Raises `DataError` where there is none."""
    path = build.path / STATE / REPORT
    missing = f"{build.path}: not verified yet; run cpcc verify {build.path} --data test.npz, or give --data"
    if not path.is_file():
        raise DataError(missing)
    try:
        content = json.loads(path.read_text())
        if content["build"] != _build_id(build):
            raise DataError(missing.replace("not verified yet", "built anew since its last verification"))
        with np.load(build.path / STATE / ARRAYS, allow_pickle=False) as arrays:
            return Results(content["report"], content["provenance"], **{name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error}); run cpcc verify again") from error
