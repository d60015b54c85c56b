"""The firmware's known-answer self-test: vectors with their scores, and the CRC-32 of every constant in flash.

The order in which constants enter the CRC is that of templates/self_test.c.j2.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cpcc.detector import Decision, Detector
from cpcc.plan.plan import Plan
from cpcc.proof.calibration import fixed_scores
from cpcc.records import by_name


@dataclass(frozen=True)
class Vector:
    """A raw sample as C initialiser lines, those of each input, with the scores the device must compute, one per decision."""

    lines: tuple[tuple[str, ...], ...]
    scores: tuple[int, ...]


@dataclass(frozen=True)
class SelfTest:
    """What the template prints."""

    vectors: tuple[Vector, ...]
    crc: int


def _number(value: int) -> bytes:
    return struct.pack("<I", value & 0xFFFF_FFFF)


def _array(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()


def _layers(plan: Plan) -> Iterator[bytes]:
    stored = set()  # equal arrays lie in flash once
    for step in plan.steps:
        for value in step.packed.struct.values():
            if isinstance(value, np.ndarray) and (value.dtype.name, value.tobytes()) not in stored:
                stored.add((value.dtype.name, value.tobytes()))
                yield _array(value)
        yield _number(1)  # the layer's description equals its copy


def _input(detector: Detector) -> Iterator[bytes]:
    for name, spec in zip(detector.graph.inputs, detector.inputs, strict=True):
        if not spec.copies(detector.graph.tensors[name].integer):
            yield _array(spec.mean)
            yield _array(spec.factor)


def _decisions(decisions: tuple[Decision, ...]) -> Iterator[bytes]:
    """All thresholds, with several classes their logits, then all operating points."""
    yield from (_number(decision.threshold) for decision in decisions)
    if len(decisions) > 1:
        yield from (_number(decision.index) for decision in decisions)
    for decision in decisions:
        for point in decision.points:
            yield from map(_number, (point.threshold, point.fnr, point.fpr))


def choose_vectors(detector: Detector, raw: np.ndarray) -> np.ndarray:
    """The samples of `raw` (n, ...) with the highest and the lowest score of each decision: (k, ...)."""
    scores = fixed_scores(detector, raw)
    return raw[sorted({*scores.argmax(axis=0).tolist(), *scores.argmin(axis=0).tolist()})]


def make_self_test(
    plan: Plan, detector: Detector, raw: np.ndarray, lines: list[tuple[tuple[str, ...], ...]]
) -> SelfTest:
    """The self-test on the raw vectors (n, ...), each written as C by `lines`."""
    scores = fixed_scores(detector, raw)
    vectors_of_inputs = map(_array, by_name(raw, detector.graph.inputs).values())
    parts = [*_layers(plan), *_input(detector), *_decisions(detector.decisions), *vectors_of_inputs, *map(_number, scores.ravel().tolist())]  # fmt: skip
    vectors = tuple(Vector(text, tuple(own.tolist())) for text, own in zip(lines, scores, strict=True))
    return SelfTest(vectors, zlib.crc32(b"".join(parts)))
