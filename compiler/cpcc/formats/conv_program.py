"""Programs of very sparse convolutions: a loop over the pixels of a row for each channel, which has its weights in registers.

The steps are macros of ``firmware/kernels/cpcc_conv_program.h``, which says what each does. Per output a weight takes two
instructions and what follows three or four, and nothing is unpacked or copied: that is less than the kernels that share
their indices between pixels where rows have few weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import ONCE, TFLITE, Rounding, constant_outputs, rounding_of

if TYPE_CHECKING:  # ops import this module
    from cpcc.ops.requantized import Output

REACH = 4095  # bytes that a load or store reaches
_WEIGHTS = (10, 11, 12, 0)  # registers of two weights each
_SPARE = 1  # of a weight beyond them
_BYTES = {
    "C_FIXED": 8,
    "C_LOOP": 0,
    "C_NEXT": 16,
    "C_ROUND": 12,
    "C_RELU": 12,
    "C_TFLITE": 16,
    "C_AFFINE": 12,
}  # others: 4
_FRAME = 12  # bytes around the steps
_PIXELS, _LOOP = 8, 4  # of a loop: pixels at most, instructions of its own
_CHANNEL_BYTES = 128  # of code and constants that a channel may take beside the flash of dense weights
_LIMIT = 2**31
_SHIFTS = 24  # the largest of an affine form

Step = tuple[str, tuple[int | str, ...]]


def _size(steps: Sequence[Step]) -> int:
    return sum(_BYTES.get(name, 4) for name, _ in steps)


@dataclass(frozen=True)
class Row:
    """Sizes of an output row: pixels, and bytes from one to the next in input and output."""

    width: int
    in_step: int
    out_step: int


@dataclass(frozen=True, eq=False)
class Channel:
    """Steps of one output channel, the words they read, and how often each step runs for a row."""

    steps: tuple[Step, ...]
    words: tuple[int, ...]
    executed: Counter[str]

    @property
    def nbytes(self) -> int:
        """Of machine code and constants."""
        return _size(self.steps) + 4 * len(self.words)


@dataclass(frozen=True, eq=False)
class Program:
    """Steps in order and the int32 `stream` that they read."""

    channels: tuple[Channel, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for channel in self.channels for step in channel.steps)

    @property
    def stream(self) -> np.ndarray:
        words = [word for channel in self.channels for word in channel.words]
        return narrow(np.array(words or [0], np.int64), np.int32)

    @property
    def nbytes(self) -> int:
        """Of machine code."""
        return _FRAME + _size(self.steps)

    def executed(self, name: str) -> int:
        """How often a step called so runs for a row."""
        return sum(channel.executed[name] for channel in self.channels)


@dataclass(frozen=True)
class Affine:
    """``(multiplier * x + offset) >> shift``, saturated."""

    multiplier: int
    offset: int
    shift: int


def affine_of(outputs: np.ndarray, factor: float, low: int, high: int) -> Affine | None:
    """The form of int8 `outputs` (256,) of the inputs from -128 on, about `factor` times them and a constant; None where none fits
    int32 or is exact. Outputs of `low` or `high` may lie beyond them in the form: it is clamped."""
    x, y = np.arange(-128, 128), outputs.astype(np.int64)
    for shift in range(_SHIFTS, 0, -1):
        multiplier = round(factor * 2**shift)
        least = ((y << shift) - multiplier * x)[y > low].max(initial=-(2**62))
        most = ((y + 1 << shift) - 1 - multiplier * x)[y < high].min(initial=2**62)
        offset = int(least // 2 + most // 2)
        if abs(multiplier) * 128 + abs(offset) < _LIMIT:
            return Affine(multiplier, offset, shift) if least <= offset <= most else None
    return None


@dataclass(frozen=True)
class _Loop:
    """The pixels of a row: `loops` of `unrolled`, and the `rest`."""

    row: Row
    unrolled: int

    @property
    def loops(self) -> int:
        return self.row.width // self.unrolled

    @property
    def rest(self) -> int:
        return self.row.width % self.unrolled

    def channel(self, start: Sequence[Step], pixel: Callable[[int, int], list[Step]], words: Sequence[int]) -> Channel:
        """`start`, then the steps `pixel(x, y)` of every pixel, `x` and `y` bytes of input and output from the loop's first one."""
        row = self.row
        pixels = [pixel(i * row.in_step, i * row.out_step) for i in range(self.unrolled)]
        body, tail = [*chain(*pixels)], [*chain(*pixels[: self.rest])]
        if self.loops > 1 or self.rest:
            body = [("C_LOOP", ()), *body, ("C_NEXT", (self.unrolled * row.in_step, self.unrolled * row.out_step))]
        begin: list[Step] = [("C_CHANNEL", ()), *start]
        executed: Counter[str] = Counter(name for name, _ in (*begin, *tail))
        for name, _ in body:
            executed[name] += self.loops
        return Channel((*begin, *body, *tail), tuple(words), executed)


def _unrolled(row: Row, farthest: int, channel: int, cost: int) -> list[int]:
    """How many pixels a loop may have, the most first: as many as loads up to byte `farthest` of a window and stores reach, and
    as keep the loop's own instructions to an eighth where a pixel takes `cost`; rather fewer that leave no rest of the row."""
    fits = min((REACH - farthest) // row.in_step + 1, (REACH - channel) // row.out_step + 1)
    most = max(1, min(_PIXELS, -(-8 * _LOOP // cost), fits, REACH // row.in_step, REACH // row.out_step, row.width))
    whole = {n for n in range(1, most + 1) if row.width % n == 0}
    powers = {most >> i for i in range(most.bit_length())}
    return sorted(whole | (powers if max(whole) <= most // 2 else powers - {most}), reverse=True)


def _longest_loop(
    row: Row, farthest: int, channel: int, cost: int, budget: int, make: Callable[[_Loop], Channel]
) -> Channel:  # fmt: skip
    """What `make` makes of the longest loop within `budget` bytes of flash; of the shortest where none is."""
    made = [make(_Loop(row, 1))]
    for unrolled in _unrolled(row, farthest, channel, cost):
        made.append(make(_Loop(row, unrolled)))
        if made[-1].nbytes <= budget:
            return made[-1]
    return made[0]


def _fixed(row: Row, channel: int, value: int, budget: int) -> Channel:
    def make(loop: _Loop) -> Channel:
        start: list[Step] = [("C_FIXED", (value & 0xFFFF, loop.loops))]
        return loop.channel(start, lambda x, y: [("C_STORE", (channel + y,))], [])

    return _longest_loop(row, 0, channel, 1, budget, make)


def _affine(row: Row, channel: int, place: int, form: Affine, budget: int) -> Channel:
    def make(loop: _Loop) -> Channel:
        return loop.channel(
            [("C_AFFINE_LOAD", ())],
            lambda x, y: [("C_X", (4, place + x)), ("C_AFFINE", (form.shift, channel + y))],
            [form.multiplier, form.offset, loop.loops],
        )  # fmt: skip

    return _longest_loop(row, place, channel, 4, budget, make)


def _products(places: np.ndarray, weights: np.ndarray) -> Callable[[int], list[Step]]:
    """Steps that sum the products of a pixel `x` bytes from the first one. Loads stand together, where the core does them faster."""
    in_registers = 2 * len(_WEIGHTS)

    def steps(x: int) -> list[Step]:
        found: list[Step] = []
        at = 0
        while at < min(len(places), in_registers):
            registers = ((4, 5, _SPARE) if at == 0 else (5, _SPARE))[: min(len(places), in_registers) - at]
            found += [("C_X", (r, int(places[at + i]) + x)) for i, r in enumerate(registers)]
            for i, r in enumerate(registers):
                name = "C_FIRST" if at + i == 0 else "C_MAC"
                found.append((name, (r, _WEIGHTS[(at + i) // 2], "bt"[(at + i) % 2])))
            at += len(registers)
        for place, weight in zip(places[in_registers:].tolist(), weights[in_registers:].tolist()):
            found += [("C_X", (5, place + x)), ("C_SET", (weight & 0xFFFF,)), ("C_MAC", (5, _SPARE, "b"))]
        return found

    return steps


def _words(weights: np.ndarray) -> list[int]:
    """Up to eight weights, two in a word; those of the register with the lowest number first."""
    halves = np.zeros(2 * -(-len(weights) // 2), np.int16)
    halves[: len(weights)] = weights
    words = [int(w) for w in halves.view("<i4")]
    return words[3:] + words[:3]


def _sum(
    row: Row, channel: int, places: np.ndarray, weights: np.ndarray, rounding: Rounding, zero_point: int, budget: int
) -> Channel:  # fmt: skip
    """Channel `channel` of a `rounding` of one row."""
    gain, (multiplier, *others) = rounding.gain, rounding.words[0].tolist()
    offset, shift = others if others else (zero_point, 0)
    in_registers = narrow(gain * weights.astype(np.int64), np.int16)
    kept = _words(in_registers[: 2 * len(_WEIGHTS)])
    first, rest = (kept[:1], kept[1:]) if len(kept) == len(_WEIGHTS) else ([], kept)
    products = _products(places, in_registers)
    name = "C_ROUND" if rounding.kind == ONCE else "C_TFLITE" if rounding.kind == TFLITE else "C_RELU"

    def make(loop: _Loop) -> Channel:
        return loop.channel(
            [(f"C_LOAD{len(kept)}", ())],
            lambda x, y: [*products(x), (name, (channel + y,) if rounding.kind == ONCE else (shift, channel + y))],
            [*first, multiplier, offset, gain * int(rounding.bias[0]), loop.loops, *rest],
        )  # fmt: skip

    return _longest_loop(row, int(places.max()), channel, 2 * len(places) + 3, budget, make)


def _factor(rounding: Rounding) -> float:
    """Output steps for a step of the accumulator of a `rounding` of one row."""
    multiplier, *others = rounding.words[0].tolist()
    return float(multiplier) * 2.0 ** (-31 - others[1] if others else -32)


def budget_of(taps: int) -> int:
    """Bytes of flash that a channel of so many weights, zeros included, takes where loops can be short enough."""
    return taps + _CHANNEL_BYTES


def least_bytes(matrix: np.ndarray, output: Output) -> int:
    """What the `program` of int8 `matrix` (channels, taps) takes at least, without making it."""
    fixed, _ = constant_outputs(output, matrix)
    counts = np.count_nonzero(matrix, axis=1)
    held = np.minimum(counts, 2 * len(_WEIGHTS))
    own = _BYTES["C_ROUND"] + 8 * held + 12 * (counts - held) + 8 + 4 * (3 + -(-held // 2))
    return int(np.where(fixed | (counts < 2), 0, own).sum())


def program(matrix: np.ndarray, offsets: np.ndarray, output: Output, row: Row) -> Program:
    """For int8 `matrix` (channels, taps); `offsets` (channels, taps) are bytes from a window's first one."""
    budget = budget_of(matrix.shape[1])
    rounding = rounding_of(output, matrix)
    assert rounding is not None
    fixed, value = constant_outputs(output, matrix)
    single = output.apply(
        np.arange(-128, 128)[:, None] * matrix.astype(np.int64).sum(axis=1)
    )  # of rows with one weight
    channels = []
    for i, weights in enumerate(matrix):
        taps = np.flatnonzero(weights)
        taps = taps[np.argsort(offsets[i, taps], kind="stable")]
        places, own = offsets[i, taps], rounding.rows(i, i + 1)
        if fixed[i]:
            channels.append(_fixed(row, i, int(value[i]), budget))
            continue
        form = None
        if len(taps) == 1:
            form = affine_of(single[:, i], int(weights[taps[0]]) * _factor(own), output.low, output.high)
        if form is not None:
            channels.append(_affine(row, i, int(places[0]), form, budget))
        else:
            channels.append(_sum(row, i, places, weights[taps], own, output.zero_point, budget))
    return Program(tuple(channels))
