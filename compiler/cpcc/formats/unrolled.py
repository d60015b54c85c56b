"""Straight-line programs for sparse fully connected layers: one instruction per nonzero, and few loads beside.

Five rows are computed together, so that they share the inputs they load; weights come from a stream, six at a time.
The steps are macros of ``firmware/kernels/cpcc_linear_unrolled.h``, which says what each does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cpcc.fixedpoint import narrow
from cpcc.formats.rounding import ONCE, TFLITE, Rounding

ROWS = 5
MAX_WORDS = 1024  # of two inputs: what a load reaches
MAX_ROWS = 4096  # outputs that a store reaches
GROUP_BYTES = 4 * (ROWS + 1 + ROWS)  # of five rows' biases, the zero point and multipliers, where they lie apart
MAX_ROWS_APART = 4096 // GROUP_BYTES * ROWS  # that an ADD reaches
_INPUTS, _WEIGHTS, _SUMS = (2, 3, 4, 5), (6, 7, 14), (8, 9, 10, 11, 12)  # registers
_WIDE_PAIR = 254  # LDRD reaches no farther
_BYTES = {"X4": 2, "ROUND": 12, "ROUND_RELU": 12, "ROUND_TFLITE": 16, "CONSTANTS": 2, "CONSTANTS2": 2,
          "START_AT": 10, "CONSTANTS_AT": 8}  # others: 4  # fmt: skip

Step = tuple[str, tuple[int | str, ...]]


@dataclass(frozen=True, eq=False)
class Program:
    """Steps in order and the int32 `stream` of weights and constants that they read."""

    steps: tuple[Step, ...]
    stream: np.ndarray

    @property
    def nbytes(self) -> int:
        """Of machine code."""
        return 10 + sum(_BYTES.get(name, 4) for name, _ in self.steps)

    def count(self, name: str) -> int:
        return sum(step == name for step, _ in self.steps)


@dataclass(frozen=True, eq=False)
class _Load:
    """Steps that load some words of two inputs, and the register of each."""

    steps: tuple[Step, ...]
    registers: dict[int, int]


def _runs(words: np.ndarray) -> list[_Load]:
    """Every word up to the last one needed, four at a time, and back to the first."""
    last = int(words[-1]) // 4 + 1
    loads = [_Load((("X4", ()),), {4 * i + j: r for j, r in enumerate(_INPUTS)}) for i in range(last)]
    back = _Load((("BACK", (16 * last,)),), {})
    return [*loads, back]


def _single(words: np.ndarray) -> list[_Load]:
    """The words needed alone, neighbours in pairs."""
    needed, loads = words.tolist(), []
    at = 0
    while at < len(needed):
        steps: list[Step] = []
        registers: dict[int, int] = {}
        while at < len(needed) and len(registers) < len(_INPUTS):
            word, free = needed[at], _INPUTS[len(registers) :]
            paired = len(free) > 1 and at + 1 < len(needed) and needed[at + 1] == word + 1 and word <= _WIDE_PAIR
            steps.append(("X2", (free[0], free[1], 4 * word)) if paired else ("X1", (free[0], 4 * word)))
            registers |= {word + i: free[i] for i in range(1 + paired)}
            at += 1 + paired
        loads.append(_Load(tuple(steps), registers))
    return loads


def _size(loads: list[_Load]) -> int:
    return sum(len(load.steps) for load in loads)


def _cheapest(words: np.ndarray) -> list[_Load]:
    if not len(words):
        return []
    return min(_runs(words), _single(words), key=_size)


def _group(halves: np.ndarray) -> tuple[list[Step], list[int]]:
    """Steps and weights, in their order, for int16 weights (rows, words, 2)."""
    steps: list[Step] = []
    weights: list[int] = []
    for load in _cheapest(np.flatnonzero(halves.any(axis=(0, 2)))):
        steps += load.steps
        for word, register in load.registers.items():
            if word >= halves.shape[1]:
                continue
            for row, half in np.argwhere(halves[:, word]).tolist():
                place = len(weights) % (2 * len(_WEIGHTS))
                if place == 0:
                    steps.append(("W", ()))
                weight = (_WEIGHTS[place // 2], "bt"[place % 2])
                steps.append(("MAC", (_SUMS[row], register, "bt"[half], *weight)))
                weights.append(int(halves[row, word, half]))
    return steps, weights


def _words(weights: list[int]) -> np.ndarray:
    padded = weights + [0] * (-len(weights) % (2 * len(_WEIGHTS)))
    return narrow(np.array(padded, np.int64), np.int16).view(np.int32)


def _epilogue(rounding: Rounding, first: int, zero_point: int) -> tuple[list[Step], np.ndarray]:
    """Steps and constants that make outputs of the sums of `rounding`'s rows, of which the first is output `first`."""
    rows = len(rounding.bias)
    words = np.zeros((ROWS, rounding.words.shape[1]), np.int64)
    words[:rows] = rounding.words
    steps: list[Step] = [("Y", ()), ("CONSTANTS", ())]
    if rounding.kind == ONCE:
        steps += [("ROUND", (_SUMS[i], 3 + i, first + i)) for i in range(rows)]
        return steps, np.concatenate([[zero_point], words[:, 0]])
    name = "ROUND_TFLITE" if rounding.kind == TFLITE else "ROUND_RELU"
    for i in range(rows):
        if i == 3:
            steps.append(("CONSTANTS2", ()))
        at = 2 + 2 * (i % 3)
        steps.append((name, (_SUMS[i], at, at + 1, int(words[i, 2]), first + i)))
    return steps, words[: 3 if rows <= 3 else ROWS, :2].ravel()


@dataclass(frozen=True, eq=False)
class _Rows:
    """Five rows: steps between the sums' start and the roundings, and int32 weights that they read; the roundings, and what these and
    the start read."""

    body: list[Step]
    weights: np.ndarray
    end: list[Step]
    bias: np.ndarray
    constants: np.ndarray


def _rows(matrix: np.ndarray, order: np.ndarray, rounding: Rounding, zero_point: int) -> Iterator[_Rows]:
    padded = np.pad(matrix.astype(np.int64), ((0, 0), (0, 1))) * rounding.gain
    halves = padded[:, order]
    for first in range(0, len(matrix), ROWS):
        rows = rounding.rows(first, first + ROWS)
        body, weights = _group(halves[first : first + ROWS])
        end, constants = _epilogue(rows, first, zero_point)
        bias = np.zeros(ROWS, np.int64)
        bias[: len(rows.bias)] = rounding.gain * rows.bias.astype(np.int64)
        yield _Rows(body, _words(weights), end, bias, constants)


def program(matrix: np.ndarray, order: np.ndarray, rounding: Rounding, zero_point: int) -> Program:
    """For int8 `matrix` (rows, k); `order` (words, 2) are the columns that each word of two inputs holds, k for none."""
    steps: list[Step] = []
    parts: list[np.ndarray] = []
    for rows in _rows(matrix, order, rounding, zero_point):
        steps += [("START", ()), *rows.body, *rows.end]
        parts += [rows.bias, rows.weights, rows.constants]
    return Program(tuple(steps), narrow(np.concatenate(parts), np.int32))


def program_apart(
    matrix: np.ndarray, order: np.ndarray, rounding: Rounding, zero_point: int
) -> tuple[Program, np.ndarray]:
    """As `program`, the stream of weights alone and the int32 constants beside it, for up to `MAX_ROWS_APART` rows and one rounding. The steps
    follow from the weights alone too: they have their places among the constants in them."""
    assert rounding.kind == ONCE
    steps: list[Step] = []
    weights: list[np.ndarray] = []
    constants: list[np.ndarray] = []
    for i, rows in enumerate(_rows(matrix, order, rounding, zero_point)):
        at = i * GROUP_BYTES
        end = [(f"{name}_AT", (at + 4 * ROWS,)) if name == "CONSTANTS" else (name, args) for name, args in rows.end]
        steps += [("START_AT", (at,)), *rows.body, *end]
        weights.append(rows.weights)
        constants += [rows.bias, rows.constants]
    stream = np.concatenate(weights)
    return Program(tuple(steps), stream), narrow(np.concatenate(constants), np.int32)
