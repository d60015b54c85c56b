"""How long `cpcc verify` takes on whole test sets: the paper's CNN_3 at 32x32, on the host and on the emulated M4.

    python bench/verify_speed.py

Seconds of wall clock on this machine, compilation included; goals on 2 cores: 10,000 samples in 20 s and 1,000 in 60 s.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cpcc.build import build
from cpcc.build_settings import BuildSettings
from cpcc.cli.verify import run_verify
from cpcc.data import make_dataset
from cpcc.models.exporting import export_module
from cpcc.models.model_file import save_program
from cpcc.nets import load_net
from cpcc.targets import TARGETS

SHAPE = (1, 32, 32)
RUNS = (("host", 10_000, ("reference", "host")), ("emulated Cortex-M4", 1_000, ("reference", "arm")))


def main() -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(0, 1, (10_000, *SHAPE)).astype(np.float32)
    y = np.arange(len(x)) % 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_program(folder / "cnn3.pt", export_module(load_net("cnn3", SHAPE, 1), SHAPE))
        build(
            folder / "cnn3.pt", BuildSettings(TARGETS["stm32"], "cnn3"), make_dataset(x[:100], y[:100]), folder / "out"
        )
        for where, samples, executors in RUNS:
            begin = time.perf_counter()
            report = run_verify(folder / "out", x[:samples], y[:samples], executors, allow_fn=samples)
            assert report.bit_exact
            values = sum(rung.values_compared for rung in report.rungs)
            print(
                f"{where}: {samples:,} samples, {values:,} values compared in {time.perf_counter() - begin:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
