"""Matplotlib figures as inline SVG that follows the page's colours, light or dark."""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Colours no chart uses by itself: each is replaced by one of the page's CSS variables.
INK, MUTED, GRID, POSITIVE, NEGATIVE, THIRD, PAPER = (f"#00010{i}" for i in range(1, 8))
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", POSITIVE: "--positive", NEGATIVE: "--negative", THIRD: "--third",
    PAPER: "--paper",
}  # fmt: skip
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "figure.facecolor": "none", "axes.facecolor": "none", "font.size": 9.0, "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": GRID, "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False, "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
}  # fmt: skip


def figure(width: float, height: float) -> Figure:
    """An empty figure in inches; make it inside ``with style():``."""
    return Figure(figsize=(width, height), layout="constrained")


def style() -> AbstractContextManager[None]:
    """Context in which figures take the page's look."""
    return matplotlib.rc_context(STYLE)


def inline(fig: Figure, name: str, title: str, description: str, extra: str = "") -> str:
    """``<svg>`` of a figure for a page: `name` keeps its ids apart from other charts', `extra` are elements drawn last.

    Readers of the page's text get `title` and `description`."""
    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        FigureCanvasSVG(fig).print_svg(buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = _own_ids(text, name)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    text = re.sub(
        r'(<svg [^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1), count=1
    )
    head, _, rest = text.partition(">")
    label = f'role="img" aria-label="{_escape(title)}: {_escape(description)}"'
    return f"{head} {label}>{rest}".replace("</svg>", f"{extra}</svg>").replace("\n", " ")


def _own_ids(text: str, name: str) -> str:
    """Ids that something refers to get the chart's name; the others go."""
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    return re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", text)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
