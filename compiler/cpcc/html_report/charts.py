"""The report's charts. Every one reads without JavaScript; two have a mark that the threshold slider moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from sklearn.metrics import roc_curve

from cpcc.graph import Int8, Node
from cpcc.html_report.svg import GRID, INK, MUTED, NEGATIVE, PAPER, POSITIVE, THIRD, figure, inline, style
from cpcc.ops import op_of
from cpcc.plan.plan import Plan
from cpcc.plan.steps import layer_of
from cpcc.profile import Profile

BINS = 48
ARMS = (("class-blind", NEGATIVE, "s", 7), ("class-dependent", POSITIVE, "o", 4))  # the smaller marks on top


@dataclass(frozen=True, eq=False)
class Curve:
    """A model's scores (n,) and threshold, with the line style it is drawn in."""

    name: str
    scores: np.ndarray
    threshold: float
    colour: str
    dashes: str


def _pixel(fig: Figure, axes: Axes, x: float, y: float) -> tuple[float, float]:
    """SVG coordinates of a data point."""
    fig.draw_without_rendering()
    across, up = axes.transData.transform((x, y)) * 72 / fig.dpi
    return float(across), float(fig.get_figheight() * 72 - up)


def _mark_frame(fig: Figure, axes: Axes, mark: str, low: tuple[float, float], high: tuple[float, float]) -> str:
    """Attributes by which the page's script places a mark: the data rectangle and where it lies."""
    (x0, y0), (x1, y1) = _pixel(fig, axes, *low), _pixel(fig, axes, *high)
    return f'data-mark="{mark}" data-x="{low[0]} {high[0]} {x0:.2f} {x1:.2f}" data-y="{low[1]} {high[1]} {y0:.2f} {y1:.2f}"'


def roc(positive: np.ndarray, curves: Sequence[Curve], key: str) -> str:
    """Receiver operating characteristic of the models; `positive` (n,) bool holds both classes. `key` keeps ids apart."""
    with style():
        fig = figure(4.9, 4.0)
        axes = fig.subplots()
        for curve in curves:
            fpr, tpr, _ = roc_curve(positive, curve.scores, drop_intermediate=False)
            axes.plot(fpr, tpr, color=curve.colour, linestyle=curve.dashes, linewidth=1.6, label=curve.name)
            called = curve.scores >= curve.threshold
            axes.plot(called[~positive].mean(), called[positive].mean(), "D", color=curve.colour, markersize=5)
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
        axes.set(
            xlabel="false-positive rate",
            ylabel="share of positives found (1 - FNR)",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        axes.legend(loc="lower right", title="diamonds: at the threshold")
        own = curves[-1]
        called = own.scores >= own.threshold
        x, y = _pixel(fig, axes, float(called[~positive].mean()), float(called[positive].mean()))
        mark = f'<circle {_mark_frame(fig, axes, "roc", (0, 0), (1, 1))} cx="{x:.2f}" cy="{y:.2f}" r="7" class="mark"/>'
        return inline(fig, f"roc{key}", "ROC curves", "true-positive against false-positive rate of each model", mark)


def histogram(positive: np.ndarray, scores: np.ndarray, threshold: int, key: str) -> str:
    """Fixed-point scores by class; the vertical line is the threshold."""
    with style():
        fig = figure(4.9, 4.0)
        upper, lower = fig.subplots(2, sharex=True)
        low, high = min(int(scores.min()), threshold) - 1, max(int(scores.max()), threshold) + 1
        width = -(-(high - low) // BINS)  # whole steps, or bins would hold unequally many scores
        edges = np.arange(low, high + width + 1, width)
        for axes, own, colour, word in (
            (upper, positive, POSITIVE, "positives"),
            (lower, ~positive, NEGATIVE, "negatives"),
        ):
            axes.hist(scores[own], edges, color=colour)
            axes.set_ylabel(word)
            axes.axvline(threshold, color=INK, linewidth=1, linestyle=":")
        lower.set_xlabel("fixed-point score (dotted: the threshold built in)")
        top, bottom = upper.get_ylim()[1], lower.get_ylim()[0]
        x, y0 = _pixel(fig, upper, threshold, top)
        _, y1 = _pixel(fig, lower, threshold, bottom)
        frame = _mark_frame(fig, lower, "histogram", (low, bottom), (high, lower.get_ylim()[1]))
        mark = f'<line {frame} x1="{x:.2f}" x2="{x:.2f}" y1="{y0:.2f}" y2="{y1:.2f}" class="mark"/>'
        return inline(fig, f"histogram{key}", "Scores by class", f"histograms; the threshold is {threshold}", mark)


def trajectory(history: Sequence[dict[str, Any]]) -> str:
    """FN and AUC on the validation split against remaining weights, both arms."""
    ticks = [float(t) for t in 100 * np.geomspace(min(r["remaining"] for r in history), 1, 6)]
    with style():
        fig = figure(8.6, 3.1)
        left, right = fig.subplots(1, 2)
        for arm, colour, marker, size in ARMS:
            rounds = [r for r in history if r["arm"] == arm]
            if not rounds:
                continue
            x = [100 * r["remaining"] for r in rounds]
            for axes, key in ((left, "fn"), (right, "auc")):
                y = [r["at_threshold"]["validation"][key] for r in rounds]
                axes.plot(x, y, color=colour, marker=marker, label=arm, markersize=size, linewidth=1.4, clip_on=False)
                dead = [i for i, r in enumerate(rounds) if r["collapsed"]]
                axes.plot([x[i] for i in dead], [y[i] for i in dead], "x", color=INK, markersize=9)
        for axes, label in ((left, "false negatives"), (right, "AUC-ROC")):
            axes.set(xlabel="weights remaining (dense on the left)", ylabel=label, xscale="log")
            axes.set_xticks(ticks, [f"{tick:.3g} %" for tick in ticks])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.invert_xaxis()
        left.set_ylim(bottom=0, top=max(left.get_ylim()[1], 4))
        left.yaxis.set_major_locator(MaxNLocator(integer=True))
        left.legend()
        return inline(fig, "trajectory", "Pruning trajectory", "false negatives and AUC against remaining weights")


def layers(profile: Profile) -> str:
    """Kept MACs, bytes and instructions per layer."""
    names = [f"{layer.name}  {layer.kernel}" for layer in profile.layers]
    columns: tuple[tuple[str, list[float], str], ...] = (
        (
            "multiplications kept, %",
            [100 * r.macs_nonzero / r.macs_dense if r.macs_dense else 0 for r in profile.layers],
            POSITIVE,
        ),
        ("bytes of constants", [r.weight_bytes for r in profile.layers], NEGATIVE),
        ("instructions", [r.instructions for r in profile.layers], THIRD),
    )
    with style():
        fig = figure(8.6, 0.9 + 0.3 * len(names))
        for axes, (title, values, colour) in zip(fig.subplots(1, 3, sharey=True), columns, strict=True):
            bars = axes.barh(names, values, color=colour, height=0.7)
            axes.bar_label(bars, [f"{v:,.0f}" for v in values], padding=2, fontsize=8)
            axes.set_xlim(0, 1.3 * max([*values, 1]))
            axes.set_title(title)
            axes.tick_params(axis="y", length=0)
            axes.set_xticks([])
            axes.grid(False)
        axes.invert_yaxis()
        return inline(fig, "layers", "Layers", "kept multiplications, bytes and instructions of each layer")


BANDED = 8  # places that the bands of a stripe take on the time axis, however many they are


def _times(plan: Plan) -> tuple[list[float], list[tuple[float, str]]]:
    """Where each step begins on the time axis, the end last, and the axis's labels: a layer's in its middle, or a stripe's."""
    edges, labels, at = [0.0], [(-0.5, "input")], 0.0
    for banded, nodes in groupby(plan.graph.nodes, lambda node: _banded(node, plan)):
        run = list(nodes)
        width = BANDED / len(run) if banded else 1.0
        if banded:
            first = next(layer_of(node, plan.graph) for node in run if op_of(node, Int8).kernels)
            labels.append((at + BANDED / 2, f"{first} ... in bands"))
        else:
            labels += [(at + i + 0.5, node.name) for i, node in enumerate(run)]
        edges += [at + (i + 1) * width for i in range(len(run))]
        at = edges[-1]
    return edges, [*labels, (at + 0.5, "output")]


def _banded(node: Node, plan: Plan) -> bool:
    return node.output in plan.graph.bands or any(name in plan.graph.bands for name in node.inputs)


def arena(plan: Plan) -> str:
    """Which bytes of the arena each tensor holds, and when."""
    edges, labels = _times(plan)
    edges = [-1.0, *edges, edges[-1] + 1]
    with style():
        fig = figure(8.6, 3.4)
        axes = fig.subplots()
        for buffer in plan.buffers:
            colour = MUTED if buffer.name.startswith("scratch:") else NEGATIVE
            offset = plan.arena.offsets[buffer.name]
            for part in buffer.parts:
                start, end = edges[part.first + 1], edges[part.last + 2]
                axes.bar(
                    start, part.high - part.low, end - start, offset + part.low, align="edge", color=colour,
                    edgecolor=PAPER, linewidth=0 if buffer.spans else 1.5,
                )  # fmt: skip
            if buffer.size > plan.arena.size / 14 and not buffer.spans:
                middle = (edges[buffer.first + 1] + edges[buffer.last + 2]) / 2, offset + buffer.size / 2
                axes.text(*middle, f"{buffer.size:,} B", ha="center", va="center", color=PAPER, fontsize=8)
        axes.set_xticks([at for at, _ in labels], [name for _, name in labels], rotation=30 if len(labels) > 10 else 0)
        axes.set(ylabel="byte of the arena", ylim=(0, plan.arena.size * 1.02), xlim=(edges[0] - 0.1, edges[-1] + 0.1))
        axes.grid(False, axis="x")
        return inline(fig, "arena", "Arena", "bytes in use at each step of an inference")


def sample(raw: np.ndarray, scaled: np.ndarray, name: str) -> str:
    """One sample (its shape) as a picture, as traces over time, or as a profile of scaled features."""
    with style():
        fig = figure(1.7, 1.2)
        axes = fig.subplots()
        axes.axis("off")
        if raw.ndim == 3 and raw.shape[0] in (1, 3) and min(raw.shape[1:]) >= 8:
            _picture(axes, raw)
        elif raw.ndim > 1:
            for trace in raw.reshape(-1, raw.shape[-1]):
                axes.plot(trace, linewidth=0.9)
        else:
            axes.bar(range(len(scaled)), scaled, color=[POSITIVE if v > 0 else NEGATIVE for v in scaled])
            axes.axhline(0, color=MUTED, linewidth=0.6)
        return inline(fig, name, "Sample", "its values")


def _picture(axes: Axes, raw: np.ndarray) -> None:
    image = raw.transpose(1, 2, 0).astype(np.float64)
    low, high = image.min(), image.max()
    unit = (image - low) / (high - low) if high > low else np.zeros_like(image)
    axes.imshow(unit if raw.shape[0] == 3 else unit[..., 0], cmap="gray", interpolation="nearest")
