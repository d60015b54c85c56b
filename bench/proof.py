"""The proof over whole test sets: reference = host C = emulated ARM (= QEMU on a part) at every node, for a trained detector
per data set and for every network of examples/zoo.py.

    CPCC_DATA=../shared/data python bench/proof.py          what is missing in bench/results/proof.jsonl; one line per case
    python bench/proof.py --table                           only the table of docs/verify.md, from the lines there

Goes on where it was stopped. A line belongs to the compiler's sources that it names: after a change of those it is run anew.
Data sets are looked for in $CPCC_DATA; scikit-learn's come with it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from proof_cases import Case, cases

from cpcc.build import build
from cpcc.build_settings import BuildSettings
from cpcc.errors import CpccError
from cpcc.folder import open_build
from cpcc.plan.kernels import any_kernel, dense_only
from cpcc.proof.prove import Job, prove
from cpcc.quantize import QuantizerSettings
from cpcc.targets import TARGETS

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results" / "proof.jsonl"
PAGE = ROOT / "docs" / "verify.md"
SECONDS = 600.0  # for one layer's call: the machine may be busy


def sources() -> str:
    """12 hex digits of everything that decides what is compiled and how it is run."""
    digest = hashlib.sha256()
    for folder, suffixes in (("compiler", (".py", ".json")), ("firmware", (".c", ".h")), ("templates", (".j2",))):
        for path in sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in suffixes):
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def run(case: Case, folder: Path) -> dict[str, Any]:
    """One line: what was compared, and the first difference of each rung (None where there is none)."""
    begin = time.perf_counter()
    prepared = case.prepare(folder)
    regression = prepared.test.y is None
    policy = dense_only if case.net == "mobilenet_v2" else any_kernel  # sparse kernels would exceed the core's flash
    # Of random weights on noise no ratio says anything: int8, as the zoo is on its real tasks.
    quantizer = QuantizerSettings(int16="never" if case.kind == "zoo, usual shape" else "auto")
    settings = BuildSettings(TARGETS["cortex-m4"], "proof", regression=regression, policy=policy, quantizer=quantizer)
    build(prepared.model, settings, prepared.calibration, folder / "build")
    opened = open_build(folder / "build")
    job = Job(prepared.test.x, prepared.test.y, ("reference", "host", "arm", "qemu"), len(prepared.test.x), SECONDS)
    report = prove(opened, job, lambda done: None)
    found = report.classes[0] if report.classes else None
    fixed, floats = (found.fixed, found.float_pruned) if found else (None, None)
    return {
        "case": case.key, "kind": case.kind, "net": case.net, "data": case.data, "sources": sources(),
        "samples": report.samples, "nodes": len(opened.plan.steps) + 1, "bit_exact": report.bit_exact,
        "failure": report.failure, "rungs": {r.name: [r.samples, r.values_compared, str(r.difference or "")] for r in report.rungs},
        "positives": fixed.fn + fixed.tp if fixed else None, "fn": fixed.fn if fixed else None,
        "float_fn": floats.fn if floats else None, "instructions": report.cost.instructions if report.cost else None,
        "data_sha256": report.data_sha256, "seconds": round(time.perf_counter() - begin, 1),
    }  # fmt: skip


def lines() -> list[dict[str, Any]]:
    """The last line of every case, in the order of `cases`."""
    known = (
        {line["case"]: line for line in map(json.loads, RESULTS.read_text().splitlines())} if RESULTS.is_file() else {}
    )
    return [known[case.key] for case in cases() if case.key in known]


def table(found: list[dict[str, Any]]) -> str:
    """Markdown: one row per case, and the sum of all values compared."""
    head = "| network | test set | samples | nodes | values compared on host, ARM, QEMU | differ | FN fixed (float) of positives |"
    rows = [head, "|---|---|---:|---:|---:|---:|---:|"]
    for line in found:
        values = ", ".join(f"{line['rungs'][name][1]:,}" for name in ("host", "arm", "qemu") if name in line["rungs"])
        differ = (
            "0" if line["bit_exact"] else line["failure"] or "; ".join(r[2] for r in line["rungs"].values() if r[2])
        )
        misses = (
            "-"
            if line["fn"] is None or "noise" in line["data"]
            else f"{line['fn']} ({line['float_fn']}) of {line['positives']:,}"
        )
        name = f"{line['net']}{', pruned' if line['kind'] == 'pruned detector' else ''}"
        rows.append(
            f"| {name} | {line['data']} | {line['samples']:,} | {line['nodes']} | {values} | {differ} | {misses} |"
        )
    total = sum(rung[1] for line in found for rung in line["rungs"].values())
    exact = sum(line["bit_exact"] for line in found)
    samples = sum(line["samples"] for line in found)
    states = ", ".join(sorted({line["sources"] for line in found}))
    counts = f"{samples:,} samples, {total:,} values compared"
    rows.append(f"\n{exact} of {len(found)} cases without a difference: {counts}. Compiler sources: {states}.")
    return "\n".join(rows)


def write_page(text: str) -> None:
    """Puts the table between its marks in docs/verify.md."""
    head, _, rest = PAGE.read_text().partition("<!-- proof -->")
    PAGE.write_text(f"{head}<!-- proof -->\n{text}\n<!-- end -->{rest.partition('<!-- end -->')[2]}")


def missing(only: str, anew: bool) -> list[Case]:
    done = set() if anew else {line["case"] for line in lines() if line["sources"] == sources()}
    return [case for case in cases() if case.key not in done and only in case.key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="write the table only")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--anew", action="store_true", help="also those that are there")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    failed = []
    for case in [] if asked.table else missing(asked.only, asked.anew):
        try:
            with tempfile.TemporaryDirectory() as folder:
                line = run(case, Path(folder))
        except CpccError as error:  # the others are worth their hours all the same
            print(f"{case.key}: FAILED: {error}", flush=True)
            failed.append(case.key)
            continue
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(
            f"{line['case']}: {line['samples']:,} samples, {'equal' if line['bit_exact'] else 'DIFFERENT'}, {line['seconds']} s",
            flush=True,
        )
    text = table(lines())
    print(text)
    write_page(text)
    if failed:
        sys.exit(f"{len(failed)} cases failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
