"""What the kernels of firmware/kernels/cpcc_tiles8.h share: tiles of eight columns that move down the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import ONCE, TFLITE, TFLITE_RELU, output_fields, rounding_kind, rounding_of
from cpcc.graph import Graph, Node
from cpcc.ops.base import STREAM_FILES, Overlap, Packed, Value
from cpcc.ops.conv2d.geometry import flattened
from cpcc.ops.overlap import strip_lag
from cpcc.ops.requantized import clamped_outputs

FILES = (*STREAM_FILES, "kernels/cpcc_saturate.h", "kernels/cpcc_tiles8.h", "kernels/cpcc_tiles8.c")
TILE = 8
_EXCHANGED = (("in_h", "in_w"), ("out_h", "out_w"), ("stride_h", "stride_w"), ("top", "left"), ("bottom", "right"))


@dataclass(frozen=True)
class Layout:
    """How a kernel keeps its input: `consecutive` outputs, whose columns lie side by side, `group` channels and their `words`
    for each column; `unit` words is what a step in the stream counts."""

    consecutive: int
    group: int
    words: int
    unit: int


@dataclass(frozen=True, eq=False)
class Tiling:
    """The layer as tiles see it: `weight` (out, kh, kw, in) and the sizes of `fields` have rows and columns exchanged where
    that takes fewer tiles."""

    layout: Layout
    weight: np.ndarray
    fields: dict[str, int]

    @property
    def columns(self) -> np.ndarray:
        """Input column of each place in a row, from the tile's first window."""
        return self._order[0]

    @property
    def offsets(self) -> np.ndarray:
        """(kh * kw * groups,) where each group of weights finds its input, in units."""
        _, kh, _, channels = self.weight.shape
        columns, first = self._order
        ky, group = np.arange(kh)[:, None, None], np.arange(channels // self.layout.group)[None, None, :]
        place = (ky * (channels // self.layout.group) + group) * len(columns) + first[None, :, None]
        return (place * self.layout.words // self.layout.unit).ravel()

    @property
    def matrix(self) -> np.ndarray:
        return self.weight.reshape(len(self.weight), -1)

    @property
    def row_words(self) -> int:
        """Words of a kernel row."""
        return self.weight.shape[3] // self.layout.group * len(self.columns) * self.layout.words

    @property
    def scratch_bytes(self) -> int:
        channels, width = self.fields["window.channels"], self.fields["window.out_w"]
        spare = TILE * len(self.weight) if width < TILE else 0
        rows = 4 * self.weight.shape[1] * self.row_words + 32
        return rows + 16 * len(self.columns) + channels // 4 * 4 + 4 + spare

    @property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns, and the place of each kernel column's first."""
        kw, stride = self.weight.shape[2], self.fields["window.stride_w"]
        columns: list[int] = []
        first = np.zeros(kw, np.int64)
        for remainder in range(min(stride, kw)):
            of_remainder = range(remainder, kw, stride)
            first[remainder::stride] = len(columns) + np.arange(len(of_remainder))
            columns += [remainder + stride * i for i in range(len(of_remainder) + self.layout.consecutive - 1)]
        return np.array(columns), first


def _tiles(height: int, width: int) -> int:
    return height * -(-width // TILE)


def tiling(node: Node, graph: Graph, layout: Layout) -> Tiling:
    sizes = {}
    for key, value in flattened(node, graph).items():
        assert isinstance(value, int)
        sizes[key.removeprefix("window.")] = value
    weight = node.params.weight
    steps = {
        "in": (sizes["in_w"] * sizes["channels"], sizes["channels"]),
        "out": (sizes["out_w"] * len(weight), len(weight)),
    }
    if _tiles(sizes["out_w"], sizes["out_h"]) < _tiles(sizes["out_h"], sizes["out_w"]):
        weight = weight.transpose(0, 2, 1, 3)
        for a, b in _EXCHANGED:
            sizes[a], sizes[b] = sizes[b], sizes[a]
        steps = {name: (step, row) for name, (row, step) in steps.items()}
    window = {f"window.{key}": value for key, value in sizes.items()}
    more = {"kernel_h": weight.shape[1], "out_channels": len(weight), "in_row": steps["in"][0], "in_step": steps["in"][1],
            "out_row": steps["out"][0], "out_step": steps["out"][1],
            "span": weight.shape[2] + (TILE - 1) * sizes["stride_w"]}  # fmt: skip
    return Tiling(layout, np.ascontiguousarray(weight), window | more)


def pack(node: Node, of: Tiling, stream: np.ndarray, fours: int, rest: int, entry: str = "") -> Packed:
    """The fields of ``cpcc_tiles8_t`` with the kernel's own uint32 `stream`; it loads `fours` and `rest` channels."""
    output = node.params.output
    fields: dict[str, Value] = {
        **of.fields, "row_words": of.row_words, "pitch": 4 * of.layout.words * len(of.columns), "fours": fours, "rest": rest,
        "words": len(of.columns), "columns": narrow(of.columns, np.uint8), "stream": stream,
        **output_fields(output, rounding_kind(output, of.matrix)),
    }  # fmt: skip
    return Packed(fields, of.scratch_bytes, entry)


def with_constants(packed: Packed, constants: np.ndarray) -> Packed:
    """The fields of kernels that have int32 `constants` beside the stream."""
    fields: dict[str, Value] = {f"tiles.{name}": value for name, value in packed.struct.items()}
    return Packed({**fields, "constants": constants}, packed.scratch_bytes)


def overlap(node: Node, graph: Graph, of: Tiling) -> Overlap:
    """A tile's rows are loaded before one of its rows is written, and a second tile begins at the image's top again. Where
    all is one row, tiles follow each other, the last one over some of the pixels before."""
    height, width, channels, out = (
        of.fields[key] for key in ("window.out_h", "window.out_w", "window.channels", "out_channels")
    )
    if (of.fields["in_step"], of.fields["out_step"]) != (channels, out):
        return Overlap()  # rows and columns are exchanged
    if height == 1 and of.fields["window.stride_w"] == 1 and of.weight.shape[1] == 1 and not any(node.params.padding):
        pixels = np.arange(0, width, TILE)
        lags = pixels * out - np.minimum(pixels, max(width - TILE, 0)) * channels
        return Overlap(output=max(0, int(lags.max())))
    if height > 1 and width <= TILE:
        return Overlap(output=strip_lag(node, graph, of.weight.shape[1], 1))
    return Overlap()


def applies(node: Node, of: Tiling) -> bool:
    if of.weight.shape[3] % of.layout.group:
        return False
    return rounding_of(node.params.output, node.params.matrix) is not None and bool(of.columns[-1] <= 255)


def features(
    node: Node, graph: Graph, of: Tiling, entries: int, loads: tuple[int, ...], fixed: np.ndarray
) -> tuple[float, ...]:
    """Of a kernel whose rows have `entries`, but for those `fixed` (out,); `loads` are pieces of work for each column that is loaded."""
    kind = rounding_kind(node.params.output, of.matrix)
    height, width, stride = (of.fields[f"window.{key}"] for key in ("out_h", "out_w", "stride_h"))
    kh, words, tiles, varying = of.weight.shape[1], len(of.columns), -(-width // TILE), int((~fixed).sum())
    first = np.arange(height) * stride - of.fields["window.top"]
    begin = first + np.where(first == first[0], 0, max(kh - stride, 0))  # rows before it are there already
    new = int(np.clip(np.minimum(first + kh, of.fields["window.in_h"]) - np.maximum(begin, 0), 0, None).sum())
    filled, kept = int((first + kh - begin).sum()) - new, int((begin - first).sum())
    rows = tiles * height
    rounded = [rows * varying * (kind == each) for each in (ONCE, TFLITE, TFLITE_RELU)]
    return (
        1.0, tiles, tiles * words, rows, *rounded, rows * int(fixed.sum()), rows * entries, tiles * new,
        *(tiles * new * words * load for load in loads), tiles * kept * of.row_words, tiles * filled,
        tiles * filled * of.row_words, height * width * len(of.weight) * (width < TILE),
        clamped_outputs(node, graph),
    )  # fmt: skip
