"""Pass rate of the demo over seeds other than its own: `python bench/demo_seeds.py` appends to bench/results/demo_seeds.jsonl.

Each line: seed, exit code, and FN of the float dense, float pruned and fixed-point models on the test split. The default
split and seed of the demo were fixed before this was run. Resumable: seeds already in the file are skipped.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from cpcc.build import build
from cpcc.build_settings import BuildSettings
from cpcc.cli.verify import run_verify
from cpcc.demo import EXECUTORS, SETTINGS, demo_data
from cpcc.targets import find_target
from cpcc.training import prune_to_file

RESULTS = Path(__file__).parent / "results" / "demo_seeds.jsonl"
SEEDS = range(1000, 1050)


def trial(seed: int, folder: Path) -> dict[str, object]:
    """One demo run without its printing."""
    train, test = demo_data(seed)
    prune_to_file("mlp", train, replace(SETTINGS, seed=seed), folder / "model.pt", progress=False)
    build(folder / "model.pt", BuildSettings(find_target("stm32"), "demo"), None, folder / "project")
    proof = run_verify(folder / "project", test.x, test.y, EXECUTORS, 0)
    content = proof.as_json()
    wanted = ("bit_exact", "fn_match", "float_dense", "float", "fixed", "margin_steps")
    return {"seed": seed, **{key: content[key] for key in wanted}}


def main() -> None:
    torch.set_num_threads(1)
    done = {json.loads(line)["seed"] for line in RESULTS.read_text().splitlines()} if RESULTS.exists() else set()
    RESULTS.parent.mkdir(exist_ok=True)
    for seed in (s for s in SEEDS if s not in done):
        with tempfile.TemporaryDirectory() as folder:
            line = json.dumps(trial(seed, Path(folder)))
        with RESULTS.open("a") as file:
            file.write(line + "\n")
    trials = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    passed = sum(t["bit_exact"] and t["fn_match"] for t in trials)
    print(
        f"{passed} of {len(trials)} seeds pass; extra misses: {sum(t['fixed']['fn'] - t['float']['fn'] for t in trials)}"
    )


if __name__ == "__main__":
    main()
