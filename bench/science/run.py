"""Fills the grid of the evidence: JSON lines of trials (set, arm, seed) in bench/science/results/trials.jsonl.

    python -m bench.science.run --sets cracks,shirt --arms blind,paper,constrained --seeds 5

Levels whose line is there are not run again, so the grid fills over days and survives any interruption. A trial is one line;
arms that cut once train a network for each level, and may have a line for some levels and another for the rest.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from bench.science.arms import ARMS, settings_of
from bench.science.nets import net_for
from bench.science.sets import SETS

from cpcc.data import Scaling, split
from cpcc.metrics import fnr_at_fpr, partial_auc
from cpcc.prune import ClassDependentPruner, Iteration, PruneSettings, TensorBatches
from cpcc.prune.batches import Whole
from cpcc.prune.evaluation import Answers

RESULTS = Path(__file__).parent / "results" / "trials.jsonl"
FPRS = (0.01, 0.05, 0.1)


@dataclass(frozen=True)
class Trial:
    """A set, an arm and a seed."""

    data: str
    arm: str
    seed: int


def figures(iteration: Iteration, found: Answers, held_out: Answers) -> dict[str, Any]:
    """What is reported of one network on the test side; of the validation side the FNR, for choices."""
    y, scores = found.truth(1), found.scores(1)
    at_zero, own = iteration.at_zero["test"], iteration.at_threshold["test"]
    return {
        "remaining": iteration.remaining, "positives": int(y.sum()), "negatives": int((~y).sum()),
        "fn_half": at_zero.fn, "fp_half": at_zero.fp, "fn": own.fn, "fp": own.fp, "auc": own.auc,
        "partial_auc": partial_auc(y, scores), "collapsed": iteration.collapsed,
        "within_budget": iteration.within_budget, "validation_auc": iteration.at_zero["validation"].auc,
        **{f"fnr_at_{fpr:g}": fnr_at_fpr(y, scores, fpr) for fpr in FPRS},
        **{f"validation_fnr_at_{fpr:g}": held_out.fnr_at(1, fpr) for fpr in FPRS},
    }  # fmt: skip


def run_trial(trial: Trial, runs: list[PruneSettings], device: str) -> dict[str, Any]:
    """The line of one trial: figures by level of its `runs`."""
    began = time.perf_counter()
    sides = SETS[trial.data]()
    levels: dict[str, dict[str, Any]] = {}
    seconds: dict[str, float] = {}
    for settings in runs:
        wanted = [each.fraction for each in settings.rounds]

        def keep(iteration: Iteration, found: Any, wanted: list[float] = wanted) -> None:
            levels[f"{wanted[iteration.index]:g}"] = figures(iteration, found["test"], found["validation"])

        result = pruner_for(sides, settings, device, keep).run()
        for name, value in result.seconds.items():
            seconds[name] = round(seconds.get(name, 0.0) + value, 2)
    where = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return {
        **vars(trial), "levels": levels, "stopped": result.stopped, "seconds": seconds,
        "wall": round(time.perf_counter() - began, 1), "ran_on": where,
        "torch": torch.__version__, "python": platform.python_version(),
    }  # fmt: skip


def pruner_for(sides: Any, settings: PruneSettings, device: str, keep: Any) -> ClassDependentPruner:
    """The product's own pruner on one set; the test side is evaluated, never chosen by."""
    train = sides.train
    rows = split(train, settings.seed, settings.positive).sides()
    scaling = Scaling.fit(train.x[rows["train"]])
    torch.manual_seed(settings.seed)
    net = net_for(train.x.shape[1:])

    def tensors(x: Any, y: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(scaling.apply(x)).to(device), torch.from_numpy(y).to(device)

    batches = TensorBatches(*tensors(train.x[rows["train"]], train.labels()[rows["train"]]), settings.batch_size)
    held_out = Whole(*tensors(train.x[rows["validation"]], train.labels()[rows["validation"]]))
    test = Whole(*tensors(sides.test.x, sides.test.labels()))
    return ClassDependentPruner(
        net, batches, held_out, settings, sides={"test": test}, device=device, on_iteration=keep
    )


def missing(trial: Trial, found: set[str], cuts: set[str]) -> list[PruneSettings]:
    """What is left to run of a trial whose lines have the levels `found`. One run down all levels is whole with its first line, since it
    may have stopped early; of single cuts, those to the levels `cuts`."""
    runs = settings_of(trial.arm, trial.seed)
    if len(runs) == 1:
        return [] if found else runs
    return [run for run in runs if f"{run.rounds[-1].fraction:g}" in cuts - found]


def done(path: Path) -> dict[Trial, set[str]]:
    """The levels of trials that have a line; a torn last line counts for nothing."""
    found: dict[Trial, set[str]] = {}
    for line in read(path):
        found.setdefault(Trial(line["data"], line["arm"], line["seed"]), set()).update(line["levels"])
    return found


def read(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.endswith("}"):
            yield json.loads(line)


def append(path: Path, line: str) -> None:
    """Opens the file anew for each line: a version control that puts another file in its place between two lines loses none."""
    with path.open("a") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _work(job: tuple[Trial, list[PruneSettings], str, float]) -> dict[str, Any] | None:
    """A line, or None once the deadline has passed."""
    trial, runs, device, deadline = job
    torch.set_num_threads(1)
    return run_trial(trial, runs, device) if time.monotonic() < deadline else None


@click.command()
@click.option("--sets", default="cracks,shirt,falls", show_default=True)
@click.option("--arms", default="blind,paper,constrained", show_default=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--first-seed", default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--cuts", default="0.5,0.25,0.1,0.05,0.02,0.01", show_default=True, help="Levels of arms that cut once.")
@click.option("--minutes", default=1e9, help="Begin no trial later than this.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS)
def main(
    sets: str, arms: str, seeds: int, first_seed: int, device: str, jobs: int, cuts: str, minutes: float, output: Path
) -> None:
    """Run what is missing of SETS x ARMS x SEEDS."""
    wanted = [
        Trial(data, arm, seed)
        for seed in range(first_seed, first_seed + seeds)
        for data in sets.split(",")
        for arm in arms.split(",")
    ]
    assert all(trial.data in SETS and trial.arm in ARMS for trial in wanted), "unknown set or arm"
    found = done(output)
    left = {trial: missing(trial, found.get(trial, set()), set(cuts.split(","))) for trial in wanted}
    jobs_left = [(trial, runs) for trial, runs in left.items() if runs]
    click.echo(f"{len(wanted)} trials wanted, {len(jobs_left)} to run")
    output.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60 * minutes
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=None) as pool:
        for line in pool.imap_unordered(_work, [(*job, device, deadline) for job in jobs_left]):
            if line is None:
                continue
            append(output, json.dumps(line, sort_keys=True) + "\n")
            last = next(reversed(line["levels"].values()))
            click.echo(
                f"{line['data']} {line['arm']} {line['seed']}: {line['wall']} s, AUC {last['auc']:.3f} at the end"
            )


if __name__ == "__main__":
    main()
