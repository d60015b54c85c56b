"""The proof's own logic, on hand-made traces and scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cpcc.detector import Decision
from cpcc.executors.base import Trace
from cpcc.graph import Graph, Node
from cpcc.metrics import evaluate
from cpcc.proof.ladder import Difference, first_difference
from cpcc.proof.verify import FloatScores, Report, class_report, extra_misses, margin

Y = np.array([1, 1, 1, 0, 0], bool)
RULE = Decision(0, 1, 4, 2.0, 0.5, 1)
NODES = (Node("conv", None, ("x",), "a"), Node("fc", None, ("a",), "b"))
GRAPH = Graph("net", {}, NODES, ("x",), ("b",))


def trace(**changes: int) -> Trace:
    nodes = {"a": np.zeros((3, 2, 2), np.int8), "b": np.zeros((3, 4), np.int8)}
    for name, value in changes.items():
        nodes[name].flat[-1] = value
    return Trace(nodes, {"b": np.zeros((3, 1), np.int8)}, np.zeros((3, 2), np.int32))


def test_a_difference_is_named() -> None:
    assert first_difference("arm", GRAPH, trace(), trace(), 10) is None
    assert first_difference("arm", GRAPH, trace(), trace(b=7), 10) == Difference("arm", 12, "fc", [3], 0, 7)
    assert first_difference("arm", GRAPH, trace(), trace(a=-1, b=7), 0) == Difference("arm", 2, "conv", [1, 1], 0, -1)


def test_a_difference_of_the_uninterrupted_run_or_the_score_counts_too() -> None:
    other = replace(trace(), scores=np.array([[0, 0], [0, 5], [0, 0]], np.int32))
    assert first_difference("host", GRAPH, trace(), other, 0) == Difference("host", 1, "score", [1], 0, 5)
    other = replace(trace(), outputs={"b": np.array([[0], [0], [2]], np.int8)})
    assert first_difference("host", GRAPH, trace(), other, 0) == Difference("host", 2, "run", [0], 0, 2)


FLOATS = FloatScores(np.array([2.0, 3.0, 5.0, 0.0, 1.0]), 2.0, None, 0.0)


def report(fixed: list[int], allow: int = 0, more: list[int] | None = None) -> Report:
    """Of one class, or of two that are the same samples."""
    scores = [fixed] if more is None else [fixed, more]
    classes = tuple(class_report(Y, FLOATS, np.array(each), RULE) for each in scores)
    return Report(5, ["reference"], 0, None, allow, classes)


def test_one_extra_miss_fails() -> None:
    assert report([4, 6, 10, 0, 2]).passed
    assert not report([3, 6, 10, 0, 2]).passed
    assert report([3, 6, 10, 0, 2], allow=1).passed
    assert not report([3, 3, 10, 0, 2], allow=1).passed


def test_one_extra_miss_of_one_class_fails_for_all() -> None:
    good, bad = [4, 6, 10, 0, 2], [3, 6, 10, 0, 2]
    assert report(good, more=good).passed
    assert not report(good, more=bad).passed
    assert not report(bad, more=good).passed


def test_a_score_on_the_threshold_is_positive() -> None:
    assert evaluate(Y, np.array([4, 4, 4, 3, 4]), 4).fn == 0
    assert evaluate(Y, np.array([4, 4, 4, 3, 4]), 4).fp == 1


def test_extra_misses_list_nearest_first() -> None:
    floats = FloatScores(np.array([2.0, 3.0, 1.0, 0.0, 9.0]), 2.0, None, 0.0)
    misses = extra_misses(Y, floats, np.array([1, 3, 0, 0, 0]), RULE)
    assert [(m.sample, m.steps) for m in misses] == [(1, 1), (0, 3)]


def test_margin() -> None:
    assert margin(Y, np.array([4, 9, 2, 50, 50]), 4) == 0
    assert margin(Y, np.array([1, 1, 2, 50, 50]), 4) is None
