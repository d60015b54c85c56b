"""The figures of docs/science.md: FNR and AUC against remaining weights."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from bench.science.arms import LEVELS
from bench.science.cells import Cells, of

mpl.use("Agg")
from matplotlib import pyplot

FIGURES = Path(__file__).parents[2] / "docs" / "figures"
ARMS = ("blind", "one-shot", "snip", "random", "weighted", "paper", "constrained", "constrained-weighted")


def draw(cells: Cells, data: str) -> None:
    """FNR at 5 % FPR and AUC against remaining weights, with intervals over seeds."""
    mpl.rcParams["svg.hashsalt"] = "cpcc"  # the same figures from the same data
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, name, title in zip(axes, ("fnr_at_0.05", "auc"), ("FNR at 5 % FPR", "AUC"), strict=True):
        for i, arm in enumerate(ARMS):  # an arm has its colour in every figure
            points = [(level, of(cells, (data, arm, f"{level:g}"), name)) for level in LEVELS]
            known = [(level, found) for level, found in points if found]
            if known:
                x, y = [100 * level for level, _ in known], [found.mean for _, found in known]
                axis.errorbar(
                    x,
                    y,
                    [np.nan_to_num(found.half) for _, found in known],
                    label=arm,
                    marker="o",
                    ms=3,
                    capsize=2,
                    color=f"C{i}",
                )
        axis.set(xscale="log", xlabel="remaining weights, %", title=title)
        axis.invert_xaxis()
        axis.set_xticks([100, 50, 25, 10, 5, 2, 1], ["100", "50", "25", "10", "5", "2", "1"])
        axis.minorticks_off()
    axes[0].set_ylim(0, 1)
    axes[1].legend(fontsize=7)
    figure.suptitle(data)
    FIGURES.mkdir(exist_ok=True)
    figure.savefig(FIGURES / f"{data}.svg", metadata={"Date": None})
    pyplot.close(figure)
