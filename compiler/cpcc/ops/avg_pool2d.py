"""Mean over rectangular windows: regular, adaptive (uneven, enlarging) and global average pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.costs import fitted
from cpcc.errors import ModelError
from cpcc.fixedpoint import narrow
from cpcc.graph import Graph, Int16, Integer, Node
from cpcc.ops.base import DSP, Kernel, Op, Overlap, Packed
from cpcc.ops.float_params import AvgPool2d
from cpcc.ops.max_pool2d import same_type
from cpcc.ops.overlap import pixel_lag


@dataclass(frozen=True)
class QAvgPool2d:
    """Windows as in `AvgPool2d`; a divisor larger than the window counts padding, which holds `zero_point`."""

    windows: AvgPool2d
    zero_point: int


def _windows(params: AvgPool2d | QAvgPool2d) -> AvgPool2d:
    return params.windows if isinstance(params, QAvgPool2d) else params


def infer_shape(params: AvgPool2d | QAvgPool2d, x: tuple[int, ...]) -> tuple[int, ...]:
    p = _windows(params)
    for spans, size in ((p.rows, x[0]), (p.cols, x[1])):
        if any(not 0 <= start < stop <= size for start, stop in spans):
            raise ModelError(f"avg_pool2d: a window lies outside the input {x}")
    return (len(p.rows), len(p.cols), x[2])


def _sums(p: AvgPool2d, x: np.ndarray) -> np.ndarray:
    out = np.empty((len(x), len(p.rows), len(p.cols), x.shape[3]), x.dtype)
    for i, (r0, r1) in enumerate(p.rows):
        for j, (c0, c1) in enumerate(p.cols):
            out[:, i, j] = x[:, r0:r1, c0:c1].sum(axis=(1, 2))
    return out


def run_float(params: AvgPool2d, x: np.ndarray) -> np.ndarray:
    return _sums(params, np.asarray(x, np.float64)) / np.array(params.divisors, np.float64)[None, :, :, None]


def _areas(p: AvgPool2d) -> np.ndarray:
    heights = np.array([stop - start for start, stop in p.rows])
    widths = np.array([stop - start for start, stop in p.cols])
    return heights[:, None] * widths[None, :]


def run_int8(params: QAvgPool2d, x: np.ndarray) -> np.ndarray:
    """Rounds half away from zero, as TFLite's reference AveragePool does."""
    p = params.windows
    divisors = np.array(p.divisors, np.int64)
    padding = params.zero_point * (divisors - _areas(p))
    total = _sums(p, x.astype(np.int64)) + padding[None, :, :, None]
    d = divisors[None, :, :, None]
    mean = np.sign(total) * ((np.abs(total) + d // 2) // d)
    info = np.iinfo(x.dtype)
    return np.clip(mean, info.min, info.max).astype(x.dtype)


def quantize(params: AvgPool2d, inputs: tuple[Integer, ...], output: Integer) -> QAvgPool2d:
    return QAvgPool2d(params, inputs[0].zero_point)


def reciprocal(divisor: int) -> tuple[int, int]:
    """(multiplier, shift) with ``n // divisor == (n * multiplier) >> shift`` for all 0 <= n <= 129 * divisor, and for all
    0 <= n <= 32769 * divisor where divisor <= 2**15.

    ``multiplier = ceil(2**shift / divisor)`` is too large by e/divisor with e < divisor, so the quotient is exact
    while ``n * e < 2**shift``; shift = 31 + ceil(log2 divisor) suffices below 2**24 (Granlund and Montgomery 1994): with
    k = ceil(log2 divisor), n * e < 129 * 2**2k there and 32769 * 2**2k here."""
    if not 1 <= divisor < 2**24:
        raise ModelError(f"avg_pool2d: a window of {divisor} elements; supported: below 2**24")
    shift = 31 + (divisor - 1).bit_length()
    return -(-(1 << shift) // divisor), shift


def pack(node: Node, graph: Graph) -> Packed:
    p: AvgPool2d = node.params.windows
    classes = sorted({d for row in p.divisors for d in row})
    index = np.array([[classes.index(d) for d in row] for row in p.divisors])
    pairs = [reciprocal(d) for d in classes]
    _, w, c = graph.tensors[node.inputs[0]].shape
    return Packed({
        "in_w": w, "channels": c, "out_h": len(p.rows), "out_w": len(p.cols),
        "zero_point": node.params.zero_point,
        "rows": narrow(np.array(p.rows), np.uint16), "cols": narrow(np.array(p.cols), np.uint16),
        "uniform": int(len(classes) == 1),
        "divisor_class": narrow(index if len(classes) > 1 else np.zeros(1), np.uint8),
        "divisors": narrow(np.array(classes), np.int32),
        "multipliers": narrow(np.array([m for m, _ in pairs]), np.uint32),
        "shifts": narrow(np.array([s for _, s in pairs]), np.uint8),
    })  # fmt: skip


def overlap(node: Node, graph: Graph) -> Overlap:
    p: AvgPool2d = node.params.windows
    _, width, channels = graph.tensors[node.inputs[0]].shape
    rows, cols = np.array(p.rows)[:, 0], np.array(p.cols)[:, 0]
    starts = (rows[:, None] * width + cols[None, :]).reshape(-1)
    return Overlap(output=pixel_lag(starts, channels, channels, block=1, ahead=1))


def features(node: Node, graph: Graph) -> tuple[float, ...]:
    height, width, channels = graph.output_tensor(node).shape
    spans = sum(stop - start for start, stop in node.params.windows.rows) * width
    area = float(_areas(node.params.windows).sum())
    return 1.0, height * width, height * width * channels, spans * channels, area * channels


def quad_applies(node: Node, graph: Graph) -> bool:
    """Four channels at a time, their sums in 16 bits."""
    largest = int(_areas(node.params.windows).max())
    return graph.output_tensor(node).shape[2] % 4 == 0 and largest <= 256


WIDE_DIVISOR = 2**15  # see `reciprocal`


def check(node: Node, graph: Graph) -> None:
    if not isinstance(node.params, QAvgPool2d):
        return
    divisors = np.array(node.params.windows.divisors)
    if (_areas(node.params.windows) > divisors).any():
        raise ModelError(f"{node.name}: a divisor is smaller than its window; supported: the window's area or more")
    if isinstance(graph.output_tensor(node).type, Int16) and divisors.max() > WIDE_DIVISOR:
        raise ModelError(f"{node.name}: a window of {divisors.max()} int16 elements; supported: up to {WIDE_DIVISOR}")


def sample(rng: np.random.Generator) -> tuple[AvgPool2d, tuple[tuple[int, ...], ...]]:
    h, w, channels = (int(v) for v in rng.integers(1, 9, 3))
    out_h, out_w = (int(v) for v in rng.integers(1, 8, 2))
    rows, cols = adaptive_spans(h, out_h), adaptive_spans(w, out_w)
    extra = int(rng.choice([0, 0, 3]))
    divisors = tuple(tuple((r1 - r0) * (c1 - c0) + extra for c0, c1 in cols) for r0, r1 in rows)
    return AvgPool2d(rows, cols, divisors), ((h, w, channels),)


def adaptive_spans(size: int, out: int) -> tuple[tuple[int, int], ...]:
    """PyTorch's adaptive windows: ``floor(i * size / out)`` to ``ceil((i + 1) * size / out)``."""
    return tuple((i * size // out, -(-(i + 1) * size // out)) for i in range(out))


OP = Op(
    name="avg_pool2d",
    float_params=AvgPool2d,
    int8_params=QAvgPool2d,
    infer_shape=infer_shape,
    run_float=run_float,
    run_int8=run_int8,
    quantize=quantize,
    sample=sample,
    kernels=(
        Kernel("avg_pool2d", pack, fitted("avg_pool2d", features), overlap=overlap),
        Kernel(
            "avg_pool2d_wide",
            pack,
            fitted("avg_pool2d_wide", features),
            wide=True,
            shared=("kernels/cpcc_avg_pool2d.h",),
        ),
        Kernel(
            "avg_pool2d_quad",
            pack,
            fitted("avg_pool2d_quad", features),
            DSP,
            quad_applies,
            shared=("include/cpcc_dsp.h", "kernels/cpcc_avg_pool2d.h"),
            overlap=overlap,
        ),
    ),
    output_type=same_type,
    check=check,
)
