"""Long work is safe: whatever kills a run, --resume ends where an uninterrupted run ends."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from cpcc.errors import DataError, UsageError
from cpcc.prune import ClassDependentPruner, PruneSettings, TensorBatches

SETTINGS = PruneSettings(epochs=12, epochs_later=6, keep=0.1, max_fn_increase=0, distill=0.5, rewind="epoch:2", seed=5)

# The whole run as a program of its own, so that it can be killed. argv: run folder, result file, resume or fresh.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
import torch
sys.path.insert(0, sys.argv[4])
torch.set_num_threads(1)
from test_resume import make_pruner
result = make_pruner(Path(sys.argv[1]), resume=sys.argv[3] == "resume").run()
np.savez(sys.argv[2], *(p.detach().numpy() for net in (result.dense, result.pruned) for p in net.parameters()))
"""


def batches():
    generator = np.random.default_rng(3)
    y = np.arange(400) % 2
    x = (generator.normal(size=(400, 8)) + 1.5 * np.eye(8)[y]).astype(np.float32)
    tensors = torch.from_numpy(x), torch.from_numpy(y)
    return TensorBatches(tensors[0][:300], tensors[1][:300], 32), TensorBatches(tensors[0][300:], tensors[1][300:], 32)


def make_pruner(folder, resume=False, settings=SETTINGS, seconds=0.0):
    torch.manual_seed(0)
    # dropout and batch norm: random numbers and statistics that a resumed run must have too
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
    train, held_out = batches()
    return ClassDependentPruner(
        net, train, held_out, settings, run_dir=folder, resume=resume, checkpoint_seconds=seconds
    )


def parameters(result):
    return [p.detach().clone() for net in (result.dense, result.pruned) for p in net.parameters()]


def assert_same(a, b):
    assert all(torch.equal(x, y) for x, y in zip(parameters(a), parameters(b), strict=True))
    assert [it.as_json() for it in a.iterations] == [it.as_json() for it in b.iterations]


class Killed(Exception):
    """Stands for the signal, where a process of its own would cost seconds."""


@pytest.mark.parametrize("epoch", [1, 7, 13, 36])
def test_resuming_after_any_epoch_gives_the_same_result(tmp_path, monkeypatch, epoch):
    expected = make_pruner(None).run()
    pruner, seen = make_pruner(tmp_path), 0
    real = pruner._after_epoch

    def counted(*args):
        nonlocal seen
        real(*args)
        seen += 1
        if seen == epoch:
            raise Killed

    monkeypatch.setattr(pruner, "_after_epoch", counted)
    with pytest.raises(Killed):
        pruner.run()
    resumed = make_pruner(tmp_path, resume=True).run()
    assert_same(resumed, expected)
    lines = [json.loads(line) for line in (tmp_path / "pruner.jsonl").read_text().splitlines()]
    assert lines == json.loads(json.dumps([it.as_json() for it in expected.iterations]))


def test_resuming_a_finished_run_trains_nothing(tmp_path):
    first = make_pruner(tmp_path).run()
    again = make_pruner(tmp_path, resume=True)
    assert again.state.finished
    assert_same(again.run(), first)


def test_resume_without_a_checkpoint_starts_the_run(tmp_path):
    assert_same(make_pruner(tmp_path, resume=True).run(), make_pruner(None).run())


def test_a_checkpoint_is_not_overwritten_by_accident(tmp_path):
    make_pruner(tmp_path).run()
    with pytest.raises(UsageError, match="give --resume"):
        make_pruner(tmp_path)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    make_pruner(tmp_path).run()
    with pytest.raises(UsageError, match="belongs to other settings"):
        make_pruner(tmp_path, resume=True, settings=PruneSettings(epochs=11))


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path):
    make_pruner(tmp_path, settings=PruneSettings(epochs=1, keep=0.9)).run()
    path = tmp_path / "pruner.checkpoint"
    whole = path.read_bytes()
    generator = random.Random(0)
    for _ in range(40):
        place = generator.randrange(len(whole))
        damaged = generator.choice(
            [whole[:place], whole[:place] + bytes([whole[place] ^ 1 << generator.randrange(8)]) + whole[place + 1 :]]
        )
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged checkpoint, nothing was changed"):
            make_pruner(tmp_path, resume=True, settings=PruneSettings(epochs=1, keep=0.9))
        assert path.read_bytes() == damaged


@pytest.mark.slow
def test_kill_9_at_random_moments(tmp_path):
    """Three kills at random numbers of checkpoints, then the rest; the result is bit-equal."""
    script = tmp_path / "run.py"
    script.write_text(PROGRAM)
    run_dir = tmp_path / "run"
    checkpoint = run_dir / "pruner.checkpoint"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(mode):
        here = os.path.dirname(__file__)
        command = [sys.executable, str(script), str(run_dir), str(tmp_path / "out.npz"), mode, here]
        return subprocess.Popen(command, env=environment)

    generator = random.Random()
    for kill in range(3):
        process = start("resume" if kill else "fresh")
        for _ in range(generator.randint(1, 10)):
            before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            while process.poll() is None and (checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0) == before:
                time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("resume").wait() == 0
    with np.load(tmp_path / "out.npz") as found:
        expected = parameters(make_pruner(None).run())
        assert len(found.files) == len(expected)
        assert all(np.array_equal(found[name], p.numpy()) for name, p in zip(found.files, expected))
